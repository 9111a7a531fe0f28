//! CGI/1.1 (RFC 3875).

#![allow(dead_code)]

mod answer;
mod body;
mod environment;
