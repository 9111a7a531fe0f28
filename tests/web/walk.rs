//! Enters a room with two netcats and a page, and checks that each hears the others. `tests/walk` runs it with the
//! commands of the README.

use switchboard_harness::{Browser, Launch, Server, Stop, TIMEOUT, key};

fn main() {
    let [server, netcat, url]: [String; 3] = std::env::args()
        .skip(1)
        .collect::<Vec<_>>()
        .try_into()
        .expect("three arguments: the commands of the server and of a netcat, and the URL of the page");
    let mut server = spawn(&server);
    server.addresses(2);

    let browser = Browser::start();
    let page = browser.window();
    page.open(&url);
    page.press(&format!("ann{}", key::ENTER));
    page.until("!document.getElementById('chat').hidden");
    let [mut bob, mut dan] = ["bob", "dan"].map(|nick| {
        let mut netcat = spawn(&netcat);
        netcat.say(format!("{nick}\n"));
        netcat.stdout.wait_for(" here.\n");
        netcat
    });

    bob.say("Hello from bob\n");
    page.shows("bob: Hello from bob");
    dan.stdout.wait_for("bob: Hello from bob\n");
    dan.say("Hello from dan\n");
    page.shows("dan: Hello from dan");
    bob.stdout.wait_for("dan: Hello from dan\n");
    page.find("#line").type_in("Hello from the page\n");
    for netcat in [&bob, &dan] {
        netcat.stdout.wait_for("ann: Hello from the page\n");
    }
    server.stop_by(Stop::EmptyLine).expect_clean_within(TIMEOUT);
}

fn spawn(command: &str) -> Server {
    let (program, args) = command.split_once(' ').unwrap_or((command, ""));
    Launch::of(program).args(args).spawn()
}
