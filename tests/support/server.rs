//! The binaries of this crate.

use switchboard_harness::{Launch, Server};

/// The servers, and the differences that a client can see.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Program {
    Echo,
    Uppercase,
    Chat,
    Greeting,
    Http,
    Daytime,
    Time,
    Discard,
    Relay,
    Exec,
    Chargen,
    Sum,
    Talk,
    Phonebook,
    Bank,
    Doctor,
}

impl Program {
    /// The servers that run with or without an operator.
    pub(crate) const ALL: [Self; 14] = [
        Self::Echo,
        Self::Uppercase,
        Self::Chat,
        Self::Greeting,
        Self::Http,
        Self::Daytime,
        Self::Time,
        Self::Discard,
        Self::Exec,
        Self::Chargen,
        Self::Sum,
        Self::Phonebook,
        Self::Bank,
        Self::Doctor,
    ];

    /// The servers that keep a connection open, answer its input, and send nothing else but a first line.
    pub(crate) const TALKERS: [Self; 7] =
        [Self::Echo, Self::Uppercase, Self::Chat, Self::Sum, Self::Phonebook, Self::Bank, Self::Doctor];

    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::Echo => env!("CARGO_BIN_EXE_echo-server"),
            Self::Uppercase => env!("CARGO_BIN_EXE_uppercase-server"),
            Self::Chat => env!("CARGO_BIN_EXE_chat-server"),
            Self::Bank => env!("CARGO_BIN_EXE_bank-server"),
            Self::Greeting => env!("CARGO_BIN_EXE_greeting-server"),
            Self::Http => env!("CARGO_BIN_EXE_http-server"),
            Self::Daytime => env!("CARGO_BIN_EXE_daytime-server"),
            Self::Time => env!("CARGO_BIN_EXE_time-server"),
            Self::Discard => env!("CARGO_BIN_EXE_discard-server"),
            Self::Relay => env!("CARGO_BIN_EXE_relay-server"),
            Self::Exec => env!("CARGO_BIN_EXE_exec-server"),
            Self::Chargen => env!("CARGO_BIN_EXE_chargen-server"),
            Self::Sum => env!("CARGO_BIN_EXE_sum-server"),
            Self::Talk => env!("CARGO_BIN_EXE_talk-server"),
            Self::Phonebook => env!("CARGO_BIN_EXE_phonebook-server"),
            Self::Doctor => env!("CARGO_BIN_EXE_doctor-server"),
        }
    }

    /// Returns the first output of a server of [`TALKERS`](Self::TALKERS) after the peer has sent `hi` and a newline.
    #[track_caller]
    pub(crate) fn greeting(self) -> &'static str {
        match self {
            Self::Echo => "hi\n",
            Self::Uppercase => "HI\n",
            Self::Chat => "Enter your nickname: ",
            Self::Bank => "ok welcome to the bank: HELP lists the commands\nerror unknown command: HELP lists them\n",
            Self::Sum => "That is not an integer: send digits, such as 42 or -7.\n",
            Self::Talk => "Welcome to my chat room!\n",
            Self::Phonebook => {
                "Welcome to the phone book. HELP lists the commands.\nUnknown command: hi (HELP lists them)\n"
            }
            Self::Doctor => "Good day. What is your name?\n",
            _ => panic!("{self:?} is no talker"),
        }
    }

    /// Starts the server on a free port of the loopback interface.
    pub(crate) fn start(self) -> Server {
        self.launch().start()
    }

    /// Returns the command line. The bank keeps its data in memory, and the program of `exec-server` is `cat`.
    pub(crate) fn launch(self) -> Launch {
        let launch = Launch::of(self.path());
        match self {
            Self::Bank => launch.args("--data :memory:"),
            Self::Exec => launch.last(&["--", "cat"]),
            _ => launch,
        }
    }
}

/// Fails unless the cause of the stop is all that the server has logged.
#[track_caller]
pub(crate) fn expect_only_the_stop(server: &Server) {
    let text = server.stderr.all_text();
    assert!(text.lines().count() == 1 && text.contains(" INFO  stopping: "), "{text:?}");
}

/// The path of the client.
pub(crate) const LINE_CLIENT: &str = env!("CARGO_BIN_EXE_line-client");
