//! What happened, and how often.

/// How often what happened, to show that a sequence is worth anything.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) requests: u32,
    pub(crate) unsafe_requests: u32,
    pub(crate) stood_in: u32,
    pub(crate) repeated: u32,
    pub(crate) left_alone: u32,
    pub(crate) copies: u32,
    pub(crate) edits: u32,
    pub(crate) refused_edits: u32,
    pub(crate) retreats: u32,
    pub(crate) refused_retreats: u32,
    pub(crate) resumes: u32,
    pub(crate) crashes: u32,
    pub(crate) unreadable: u32,
    pub(crate) guarded: u32,
    pub(crate) alarms: u32,
}

impl Tally {
    pub(crate) fn plus(self, other: Tally) -> Tally {
        Tally {
            requests: self.requests + other.requests,
            unsafe_requests: self.unsafe_requests + other.unsafe_requests,
            stood_in: self.stood_in + other.stood_in,
            repeated: self.repeated + other.repeated,
            left_alone: self.left_alone + other.left_alone,
            copies: self.copies + other.copies,
            edits: self.edits + other.edits,
            refused_edits: self.refused_edits + other.refused_edits,
            retreats: self.retreats + other.retreats,
            refused_retreats: self.refused_retreats + other.refused_retreats,
            resumes: self.resumes + other.resumes,
            crashes: self.crashes + other.crashes,
            unreadable: self.unreadable + other.unreadable,
            guarded: self.guarded + other.guarded,
            alarms: self.alarms + other.alarms,
        }
    }
}
