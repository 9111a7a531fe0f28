complete -c line-client -l quit-on -d 'End our side at this line, in upper or lower case, and send blank lines; repeatable' -r
complete -c line-client -l linger -d 'Time to wait without progress after our side has ended' -r
complete -c line-client -l retry -d 'Time during which failed attempts to connect are repeated' -r
complete -c line-client -l prompt -d 'Prompt for each line, at a terminal' -r
complete -c line-client -l tls-ca -d 'Trust servers with a certificate of these authorities (PEM) instead of those of the system; for tls:' -r -F
complete -c line-client -l tls-insecure -d 'Trust any server, whatever its certificate; for tls:'
complete -c line-client -s v -l verbose -d 'Log more to standard error: -v for connections, -vv for details'
complete -c line-client -s h -l help -d 'Print help (see more with \'--help\')'
complete -c line-client -s V -l version -d 'Print version'
