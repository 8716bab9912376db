//! An explanation as a person reads it.

use std::fmt::{self, Write as _};

use super::{Candidate, Explanation, Outcome};

impl Explanation {
    /// The explanation as text, several lines, each ended by a newline.
    pub fn render_text(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        self.write(&mut text).unwrap_or_default();
        // What was asked may hold C1 controls, which are UTF-8 and which a terminal obeys.
        text.replace(|c: char| c.is_control() && c != '\n', "\u{fffd}")
    }

    fn write(&self, to: &mut String) -> fmt::Result {
        let query = self.request.query.as_ref().map(|query| format!("?{query}")).unwrap_or_default();
        let request = &self.request;
        writeln!(to, "{} {}{}{query}", request.method, request.host, request.path)?;
        if request.lookup_method != request.method {
            writeln!(to, "  a CORS preflight, looked up as {}", request.lookup_method)?;
        }
        if request.normal_path != request.path {
            writeln!(to, "  compared as {}", request.normal_path)?;
        }
        match (&self.owner, &self.upstream, self.status) {
            (Some(owner), Some(upstream), _) => {
                writeln!(to, "→ {owner} answers: upstream {}", named(upstream, &self.endpoints))?
            }
            (_, _, status) => writeln!(to, "→ the proxy answers {}", status.unwrap_or_default())?,
        }
        writeln!(to, "  {}\n", self.why)?;
        self.write_facts(to)?;
        self.write_candidates(to)
    }

    fn write_facts(&self, to: &mut String) -> fmt::Result {
        let mut fact = |name: &str, value: &str| writeln!(to, "{name:<9} {value}");
        fact("route", self.route.as_deref().unwrap_or("none"))?;
        if let Some(slice) = &self.slice {
            fact("slice", slice)?;
        }
        if let Some(except) = &self.excepted {
            fact("except", except)?;
        }
        match (self.phase, self.phase_in_file, self.retreat) {
            (Some(phase), Some(file), Some(retreat)) => {
                fact("phase", &format!("{phase} (the file says {file}, a retreat {retreat})"))?;
            }
            (Some(phase), ..) => fact("phase", phase)?,
            (None, ..) => {}
        }
        if let Some(writer) = self.writer {
            fact("writer", writer)?;
        }
        fact("effect", &format!("{}: {}", self.effect, self.effect_why))?;
        if let Some(cohort) = &self.cohort {
            let side = if cohort.member { "in the cohort" } else { "not in the cohort" };
            fact("cohort", &format!("{side}: {}", cohort.why))?;
            if let (Some(bucket), Some(source)) = (cohort.bucket, &cohort.source) {
                fact("bucket", &format!("{bucket} of 10000, from {source}; share {}", cohort.share))?;
            }
        }
        if let Some(near) = &self.near_miss {
            fact("near miss", &format!("{} but for {}", near.route, near.difference))?;
        }
        fact("fallback", &self.fallback)?;
        fact("shadow", &self.shadow)
    }

    fn write_candidates(&self, to: &mut String) -> fmt::Result {
        if self.ambiguity.is_some() {
            return writeln!(to, "\nNo route was looked up: the path is ambiguous.");
        }
        if !self.candidates.is_empty() {
            writeln!(to, "\nCandidates")?;
        }
        let width =
            self.candidates.iter().map(|candidate| label(candidate).chars().count()).max().unwrap_or(0);
        for candidate in &self.candidates {
            let outcome = match candidate.outcome {
                Outcome::Won => "won",
                Outcome::Excepted => "excepted",
                Outcome::Lost => "lost",
                Outcome::Near => "near",
            };
            writeln!(
                to,
                "  {outcome:<8} {:<width$}  {}  ({})",
                label(candidate),
                candidate.place,
                candidate.slice
            )?;
            for reason in &candidate.reasons {
                writeln!(to, "           {reason}")?;
            }
        }
        match self.other_routes {
            0 => Ok(()),
            1 => writeln!(to, "\n1 other route does not match by its path."),
            many => writeln!(to, "\n{many} other routes do not match by their paths."),
        }
    }
}

/// The match text, with the id where that says more.
fn label(candidate: &Candidate) -> String {
    if candidate.route == candidate.pattern {
        candidate.pattern.clone()
    } else {
        format!("{} [{}]", candidate.pattern, candidate.route)
    }
}

/// An upstream and its addresses; one that is named by its only address is named once.
fn named(upstream: &str, endpoints: &[String]) -> String {
    match endpoints {
        [only] if only == upstream => upstream.to_owned(),
        endpoints => format!("{upstream} ({})", endpoints.join(", ")),
    }
}
