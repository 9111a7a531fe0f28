# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_switchboard_global_optspecs
    string join \n c/config= stdin= control= memory-limit= drain= metrics= slow-turn= v/verbose q/quiet= log-format= h/help V/version
end

function __fish_switchboard_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_switchboard_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_switchboard_using_subcommand
    set -l cmd (__fish_switchboard_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c switchboard -n "__fish_switchboard_needs_command" -s c -l config -d 'Host the services of a TOML file: one table for each service, with the flags of its server as keys. Before the tables, the keys are flags of the process. The command line wins' -r -F
complete -c switchboard -n "__fish_switchboard_needs_command" -l stdin -d 'Meaning of standard input' -r -f -a "stop\t'A line, or the end of input, stops the server'
commands\t'Lines are commands (help, stats, who, kick, quit); the end of input stops the server'
ignore\t'Standard input is not read'"
complete -c switchboard -n "__fish_switchboard_needs_command" -l control -d 'Accept the commands of the console on this Unix socket, too; only the owner of the server may connect' -r -F
complete -c switchboard -n "__fish_switchboard_needs_command" -l memory-limit -d 'Cap on all queued output; above it, the client with the most is closed' -r
complete -c switchboard -n "__fish_switchboard_needs_command" -l drain -d 'Time for clients to receive their queued output when the server stops' -r
complete -c switchboard -n "__fish_switchboard_needs_command" -l metrics -d 'Serve figures to Prometheus over HTTP at /metrics, and the health of the server at /healthz. PORT (= 127.0.0.1:PORT), HOST:PORT, [V6]:PORT, *:PORT or unix:PATH' -r
complete -c switchboard -n "__fish_switchboard_needs_command" -l slow-turn -d 'Log a turn of the loop that takes longer than this, because it delays all clients' -r
complete -c switchboard -n "__fish_switchboard_needs_command" -s q -l quiet -d 'Log errors only' -r -f -a "true\t''
false\t''"
complete -c switchboard -n "__fish_switchboard_needs_command" -l log-format -d 'Form of the lines on standard error' -r -f -a "text\t'Lines for people'
json\t'An object of JSON on each line'"
complete -c switchboard -n "__fish_switchboard_needs_command" -s v -l verbose -d 'Log more to standard error: -v for connections, -vv for what arrives and leaves'
complete -c switchboard -n "__fish_switchboard_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c switchboard -n "__fish_switchboard_needs_command" -s V -l version -d 'Print version'
complete -c switchboard -n "__fish_switchboard_needs_command" -a "check" -d 'Report each mistake in a configuration file with its line and column, and start nothing'
complete -c switchboard -n "__fish_switchboard_using_subcommand check" -l server -d 'The server that the file is for' -r
complete -c switchboard -n "__fish_switchboard_using_subcommand check" -s h -l help -d 'Print help'
