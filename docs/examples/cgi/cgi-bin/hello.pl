#!/usr/bin/env perl
use strict;
use warnings;

print "Content-Type: text/plain\n\n";
print "Hello from Perl, $ENV{REMOTE_ADDR}\n";
