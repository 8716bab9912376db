//! A terminal that nobody looks at: what is drawn on it, what keys are pressed, and in which state it is.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Child, Command};
use std::sync::{Arc, Mutex};
use std::thread;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{
    ControlModes, InputModes, LocalModes, OutputModes, SpecialCodeIndex, Winsize, tcgetattr, tcsetwinsize,
};

/// All that a program may change of a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Modes {
    local: LocalModes,
    input: InputModes,
    output: OutputModes,
    control: ControlModes,
    at_least: u8,
    after: u8,
}

impl Modes {
    /// Keys come one by one.
    pub(crate) fn is_raw(&self) -> bool {
        !self.local.contains(LocalModes::ICANON)
    }
}

pub(crate) struct Terminal {
    keyboard: File,
    /// What programs have as their terminal.
    line: File,
    drawn: Arc<Mutex<Vec<u8>>>,
}

impl Terminal {
    pub(crate) fn open(rows: u16) -> Terminal {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let path = std::path::Path::new(std::ffi::OsStr::from_bytes(name.to_bytes())).to_owned();
        let no_controlling = i32::try_from(rustix::fs::OFlags::NOCTTY.bits()).unwrap();
        let line = OpenOptions::new().read(true).write(true).custom_flags(no_controlling).open(path).unwrap();
        tcsetwinsize(&line, Winsize { ws_row: rows, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
        let keyboard = File::from(master);
        let drawn = Arc::<Mutex<Vec<u8>>>::default();
        let (mut screen, seen) = (keyboard.try_clone().unwrap(), Arc::clone(&drawn));
        // It ends with the process, or when nobody has the terminal any more.
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = screen.read(&mut bytes) {
                seen.lock().unwrap().extend_from_slice(&bytes[..count]);
            }
        });
        Terminal { keyboard, line, drawn }
    }

    pub(crate) fn spawn(&self, command: &mut Command) -> Child {
        let line = || self.line.try_clone().unwrap();
        command.stdin(line()).stdout(line()).stderr(line()).spawn().unwrap()
    }

    pub(crate) fn press(&mut self, keys: &[u8]) {
        self.keyboard.write_all(keys).unwrap();
    }

    pub(crate) fn modes(&self) -> Modes {
        let now = tcgetattr(&self.line).unwrap();
        Modes {
            local: now.local_modes,
            input: now.input_modes,
            output: now.output_modes,
            control: now.control_modes,
            at_least: now.special_codes[SpecialCodeIndex::VMIN],
            after: now.special_codes[SpecialCodeIndex::VTIME],
        }
    }

    /// Everything drawn so far.
    pub(crate) fn drawn(&self) -> String {
        String::from_utf8_lossy(&self.drawn.lock().unwrap()).into_owned()
    }
}
