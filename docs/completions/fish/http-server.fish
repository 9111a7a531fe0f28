complete -c http-server -l index -d 'The file that is served for a directory' -r
complete -c http-server -l no-listing -d 'Answer 404 for a directory without an index, instead of listing it' -r -f -a "true\t''
false\t''"
complete -c http-server -l dotfiles -d 'Serve and list files whose names begin with a dot' -r -f -a "true\t''
false\t''"
complete -c http-server -l type -d 'The type of files with this extension; may be given several times' -r
complete -c http-server -l header -d 'A header of each answer; may be given several times' -r
complete -c http-server -l cache-control -d 'The header Cache-Control of each file, such as max-age=60' -r
complete -c http-server -l cache -d 'Memory for small files that were served last' -r
complete -c http-server -l cgi -d 'Execute the files beneath this path of a URL (CGI/1.1), and never show them' -r
complete -c http-server -l cgi-handler -d 'The program that runs files with this extension; may be given several times' -r
complete -c http-server -l cgi-env -d 'A variable for scripts, without a value that of the server; may be given several times' -r
complete -c http-server -l access-log -d 'Append a line for each answer to this file (Combined Log Format); -: to standard error' -r -F
complete -c http-server -s c -l config -d 'Read flags from this TOML file, too: its keys are flags without their dashes. The command line wins' -r -F
complete -c http-server -l backlog -d 'Connections that may wait to be accepted; off: as many as the system allows' -r
complete -c http-server -l reuse-address -d 'Bind a port whose old connections have not expired' -r -f -a "true\t''
false\t''"
complete -c http-server -l reuse-port -d 'Share the port with other processes that set this flag' -r -f -a "true\t''
false\t''"
complete -c http-server -l nodelay -d 'Send small replies at once' -r -f -a "true\t''
false\t''"
complete -c http-server -l keepalive -d 'Probe a TCP peer that has been silent for this long' -r
complete -c http-server -l recv-buffer -d 'Receive buffer of each socket; without this flag, the system decides' -r
complete -c http-server -l send-buffer -d 'Send buffer of each socket; without this flag, the system decides' -r
complete -c http-server -l proxy-protocol -d 'Proxies, which name their client in a PROXY header: those in this network, or those that connect to a unix: address; repeatable' -r
complete -c http-server -l tls-cert -d 'Certificate for the addresses with tls:, and the certificates of its authorities after it (PEM)' -r -F
complete -c http-server -l tls-key -d 'Private key of the certificate, not encrypted (PEM)' -r -F
complete -c http-server -l tls-client-ca -d 'Serve only clients with a certificate of these authorities (PEM)' -r -F
complete -c http-server -l max-connections -d 'Clients at a time; a client above the limit is closed at once' -r
complete -c http-server -l max-per-host -d 'Clients of one host (for IPv6, of one /64) at a time; a client above the limit is closed at once' -r
complete -c http-server -l connect-rate -d 'Rate of new clients of one host (for IPv6, of one /64), with a burst of ten times N; a client above it is closed at once' -r
complete -c http-server -l idle-timeout -d 'Close a client that has been silent for this long' -r
complete -c http-server -l allow -d 'Serve only hosts of this network; repeatable' -r
complete -c http-server -l deny -d 'Refuse hosts of this network, even if --allow includes them; repeatable' -r
complete -c http-server -l max-queue -d 'Cap on the output from other clients that is queued for a client; above it, the client is closed. While queued replies to the client\'s own input exceed a quarter of the cap, its input is not read' -r
complete -c http-server -l queue-time -d 'Close a client that takes none of the output queued by other clients for this long' -r
complete -c http-server -l stdin -d 'Meaning of standard input' -r -f -a "stop\t'A line, or the end of input, stops the server'
commands\t'Lines are commands (help, stats, who, kick, quit); the end of input stops the server'
ignore\t'Standard input is not read'"
complete -c http-server -l control -d 'Accept the commands of the console on this Unix socket, too; only the owner of the server may connect' -r -F
complete -c http-server -l memory-limit -d 'Cap on all queued output; above it, the client with the most is closed' -r
complete -c http-server -l drain -d 'Time for clients to receive their queued output when the server stops' -r
complete -c http-server -l metrics -d 'Serve figures to Prometheus over HTTP at /metrics, and the health of the server at /healthz. PORT (= 127.0.0.1:PORT), HOST:PORT, [V6]:PORT, *:PORT or unix:PATH' -r
complete -c http-server -l slow-turn -d 'Log a turn of the loop that takes longer than this, because it delays all clients' -r
complete -c http-server -s q -l quiet -d 'Log errors only' -r -f -a "true\t''
false\t''"
complete -c http-server -l log-format -d 'Form of the lines on standard error' -r -f -a "text\t'Lines for people'
json\t'An object of JSON on each line'"
complete -c http-server -l cgi-timeout -d 'End a script that writes nothing for this long' -r
complete -c http-server -l max-scripts -d 'Scripts at a time; further requests wait' -r
complete -c http-server -l max-body -d 'Largest body of a request' -r
complete -c http-server -l header-timeout -d 'How long a request line with its headers may take to arrive; after that, the answer is 408' -r
complete -c http-server -l keep-alive -d 'Close a connection that has waited for the next request for this long' -r
complete -c http-server -l body-rate -d 'Least rate of the body of a request, per second, in 10 seconds in which the server waits for it; below it, the answer is 408' -r
complete -c http-server -l send-timeout -d 'Close a client that takes none of an answer for this long' -r
complete -c http-server -s l -l listen -d 'Address to listen on; repeatable. PORT (= 127.0.0.1:PORT), HOST:PORT, [V6]:PORT, *:PORT or unix:PATH; tls: before any of them, with --tls-cert; with port 0, the system picks one' -r
complete -c http-server -s v -l verbose -d 'Log more to standard error: -v for connections, -vv for what arrives and leaves'
complete -c http-server -s h -l help -d 'Print help (see more with \'--help\')'
complete -c http-server -s V -l version -d 'Print version'
