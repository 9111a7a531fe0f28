complete -c phonebook-server -l max-line -d 'Longest line that a client may send' -r
complete -c phonebook-server -l origin -d 'Let pages of this origin connect, too, such as https://example.com; repeatable' -r
complete -c phonebook-server -l host -d 'Name of this server in URLs, without a port; repeatable. IP addresses and localhost are always accepted. Without this flag, a server with a web: address on loopback accepts no other names, and another server any' -r
complete -c phonebook-server -s c -l config -d 'Read flags from this TOML file, too: its keys are flags without their dashes. The command line wins' -r -F
complete -c phonebook-server -l backlog -d 'Connections that may wait to be accepted; off: as many as the system allows' -r
complete -c phonebook-server -l reuse-address -d 'Bind a port whose old connections have not expired' -r -f -a "true\t''
false\t''"
complete -c phonebook-server -l reuse-port -d 'Share the port with other processes that set this flag' -r -f -a "true\t''
false\t''"
complete -c phonebook-server -l nodelay -d 'Send small replies at once' -r -f -a "true\t''
false\t''"
complete -c phonebook-server -l keepalive -d 'Probe a TCP peer that has been silent for this long' -r
complete -c phonebook-server -l recv-buffer -d 'Receive buffer of each socket; without this flag, the system decides' -r
complete -c phonebook-server -l send-buffer -d 'Send buffer of each socket; without this flag, the system decides' -r
complete -c phonebook-server -l proxy-protocol -d 'Proxies, which name their client in a PROXY header: those in this network, or those that connect to a unix: address; repeatable' -r
complete -c phonebook-server -l tls-cert -d 'Certificate for the addresses with tls:, and the certificates of its authorities after it (PEM)' -r -F
complete -c phonebook-server -l tls-key -d 'Private key of the certificate, not encrypted (PEM)' -r -F
complete -c phonebook-server -l tls-client-ca -d 'Serve only clients with a certificate of these authorities (PEM)' -r -F
complete -c phonebook-server -l max-connections -d 'Clients at a time; a client above the limit is closed at once' -r
complete -c phonebook-server -l max-per-host -d 'Clients of one host (for IPv6, of one /64) at a time; a client above the limit is closed at once' -r
complete -c phonebook-server -l connect-rate -d 'Rate of new clients of one host (for IPv6, of one /64), with a burst of ten times N; a client above it is closed at once' -r
complete -c phonebook-server -l idle-timeout -d 'Close a client that has been silent for this long' -r
complete -c phonebook-server -l allow -d 'Serve only hosts of this network; repeatable' -r
complete -c phonebook-server -l deny -d 'Refuse hosts of this network, even if --allow includes them; repeatable' -r
complete -c phonebook-server -l max-queue -d 'Cap on the output from other clients that is queued for a client; above it, the client is closed. While queued replies to the client\'s own input exceed a quarter of the cap, its input is not read' -r
complete -c phonebook-server -l queue-time -d 'Close a client that takes none of the output queued by other clients for this long' -r
complete -c phonebook-server -l stdin -d 'Meaning of standard input' -r -f -a "stop\t'A line, or the end of input, stops the server'
commands\t'Lines are commands (help, stats, who, kick, quit); the end of input stops the server'
ignore\t'Standard input is not read'"
complete -c phonebook-server -l control -d 'Accept the commands of the console on this Unix socket, too; only the owner of the server may connect' -r -F
complete -c phonebook-server -l memory-limit -d 'Cap on all queued output; above it, the client with the most is closed' -r
complete -c phonebook-server -l drain -d 'Time for clients to receive their queued output when the server stops' -r
complete -c phonebook-server -l metrics -d 'Serve figures to Prometheus over HTTP at /metrics, and the health of the server at /healthz. PORT (= 127.0.0.1:PORT), HOST:PORT, [V6]:PORT, *:PORT or unix:PATH' -r
complete -c phonebook-server -l slow-turn -d 'Log a turn of the loop that takes longer than this, because it delays all clients' -r
complete -c phonebook-server -s q -l quiet -d 'Log errors only' -r -f -a "true\t''
false\t''"
complete -c phonebook-server -l log-format -d 'Form of the lines on standard error' -r -f -a "text\t'Lines for people'
json\t'An object of JSON on each line'"
complete -c phonebook-server -l data -d 'File that keeps the book, created if it is missing; :memory: keeps it in memory only [default: phonebook.db in the user\'s data directory, ~/.local/share/switchboard]' -r
complete -c phonebook-server -s l -l listen -d 'Address to listen on; repeatable. PORT (= 127.0.0.1:PORT), HOST:PORT, [V6]:PORT, *:PORT or unix:PATH; tls: before any of them, with --tls-cert; web: before any of them, for pages in a browser, or web+tls:; with port 0, the system picks one' -r
complete -c phonebook-server -s v -l verbose -d 'Log more to standard error: -v for connections, -vv for what arrives and leaves'
complete -c phonebook-server -s h -l help -d 'Print help (see more with \'--help\')'
complete -c phonebook-server -s V -l version -d 'Print version'
