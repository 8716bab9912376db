//! Keys as they are pressed, from a terminal that is as it was once this is dropped.

use std::io::{IsTerminal, stdin};

use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};
use tokio::sync::oneshot;

/// What ends watching: `q`, and Ctrl-C as a terminal sends it while it makes no signal of it.
const ENDS: [u8; 3] = [b'q', b'Q', 3];

#[derive(Debug)]
pub(super) struct Keys {
    before: Termios,
    ended: oneshot::Receiver<()>,
}

impl Keys {
    /// Lets keys come one by one and unseen; `None`: there is no terminal that could.
    pub(super) fn open() -> Option<Keys> {
        if !stdin().is_terminal() {
            return None;
        }
        let (ending, ended) = oneshot::channel();
        let keys = Keys { before: tcgetattr(stdin()).ok()?, ended };
        let mut raw = keys.before.clone();
        raw.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG);
        // A read returns with the first key.
        raw.special_codes[SpecialCodeIndex::VMIN] = 1;
        raw.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(stdin(), OptionalActions::Now, &raw).ok()?;
        // A thread of its own, which ends with the process: others use this terminal, too, so that it must not be made
        // non-blocking.
        std::thread::Builder::new().name("keys".to_owned()).spawn(move || listen(ending)).ok()?;
        Some(keys)
    }

    /// Waits until somebody wants it to end, or the terminal is gone.
    pub(super) async fn ended(&mut self) {
        // Told, or dropped by a thread that is no more.
        let _either = (&mut self.ended).await;
    }
}

fn listen(ending: oneshot::Sender<()>) {
    let mut pressed = [0; 64];
    loop {
        match rustix::io::read(stdin(), &mut pressed) {
            Err(rustix::io::Errno::INTR) => {}
            Ok(count @ 1..) if !pressed.iter().take(count).any(|key| ENDS.contains(key)) => {}
            // A key that ends it, or no terminal any more.
            _ => {
                let _nobody_waits = ending.send(());
                return;
            }
        }
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        // The process ends: there is nobody to tell.
        let _restored = tcsetattr(stdin(), OptionalActions::Now, &self.before);
    }
}
