complete -c switchboard -s c -l config -d 'Host the services of a TOML file: one table for each service, with the flags of its server as keys' -r -F
complete -c switchboard -l stdin -d 'Meaning of standard input' -r -f -a "stop\t'A line, or the end of input, stops the server'
commands\t'Lines are commands (help, stats, who, kick, quit); the end of input stops the server'
ignore\t'Standard input is not read'"
complete -c switchboard -l control -d 'Accept the commands of the console on this Unix socket, too; only the owner of the server may connect' -r -F
complete -c switchboard -l memory-limit -d 'Cap on all queued output; above it, the client with the most is closed' -r
complete -c switchboard -l drain -d 'Time for clients to receive their queued output when the server stops' -r
complete -c switchboard -l slow-turn -d 'Log a turn of the loop that takes longer than this, because it delays all clients' -r
complete -c switchboard -s v -l verbose -d 'Log more to standard error: -v for connections, -vv for what arrives and leaves'
complete -c switchboard -s q -l quiet -d 'Log errors only'
complete -c switchboard -s h -l help -d 'Print help (see more with \'--help\')'
complete -c switchboard -s V -l version -d 'Print version'
