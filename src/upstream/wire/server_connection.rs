//! Connection to a server for one request: sends it and reads the answer, on the task of whoever waits for that.
//! Says nothing about what an answer means. It keeps no buffer: what is read is in a page of its thread until it is
//! taken apart, so that a stream that is silent costs nothing but its sockets.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use pingora::{Error, ErrorType, Result};
use tokio::io::ReadBuf;

use super::deadlines::{Deadlines, Due, Expired, Wait};
use super::part::Part;
use super::reader::Reader;
use super::transport::Transport;

/// What one read brings at most: all that a server has written since the last, as a rule.
const READ_BYTES_MAX: usize = 1 << 16;

thread_local! {
    static PAGE: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BYTES_MAX].into());
}

/// A connection that has just been made.
#[derive(Debug)]
pub struct ServerConnection<T> {
    transport: T,
    deadlines: Deadlines,
    /// What is left of the request: its head, and its body.
    unsent: [Bytes; 2],
    /// Why no more of it can be sent. The server may have answered all the same.
    not_sent: Option<io::Error>,
    reader: Reader,
    reading: Wait,
    expired: Option<Expired>,
    has_rested: bool,
}

impl<T: Transport> ServerConnection<T> {
    /// Sends this request. It goes out while the answer is read.
    pub fn new(transport: T, deadlines: Deadlines, head: Bytes, body: Bytes) -> Self {
        Self {
            transport,
            deadlines,
            unsent: [head, body],
            not_sent: None,
            reader: Reader::new(),
            reading: Wait::FirstByte,
            expired: None,
            has_rested: false,
        }
    }

    /// Waits for more of the answer: what has come by then of it, at least one part. Fails at the server's fault, when it
    /// is late, and behind the end. May be dropped and called again.
    pub async fn read(&mut self, parts: &mut Vec<Part>) -> Result<()> {
        poll_fn(|cx| self.poll_read(cx, parts)).await.map_err(|e| e.into_up())
    }

    /// Whether all of the request is on its way.
    pub fn is_sent(&self) -> bool {
        self.unsent.iter().all(Bytes::is_empty)
    }

    /// Everything was said: what may follow is waited for a short while.
    pub fn rest(&mut self) {
        self.deadlines.rest();
    }

    /// The wait that ended the connection, if one did.
    pub fn expired(&self) -> Option<Expired> {
        self.expired
    }

    /// Whether the rest of the answer was waited for long enough.
    pub fn has_rested(&self) -> bool {
        self.has_rested
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, parts: &mut Vec<Part>) -> Poll<Result<()>> {
        loop {
            self.poll_send(cx);
            let wait = if self.is_sent() { self.reading } else { Wait::Write };
            let Poll::Ready(came) = self.poll_part(cx, parts) else {
                return match ready!(self.deadlines.poll(wait, cx)) {
                    Due::Late(why) => {
                        self.expired = Some(why);
                        Poll::Ready(Error::e_explain(ErrorType::ReadTimedout, why.to_string()))
                    }
                    Due::Rest => {
                        self.has_rested = true;
                        Poll::Ready(Error::e_explain(ErrorType::ConnectionClosed, "the answer is complete"))
                    }
                };
            };
            came?;
            if !parts.is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// Sends as much as goes.
    fn poll_send(&mut self, cx: &mut Context<'_>) {
        while !self.is_sent() {
            let [head, body] = &self.unsent;
            let both = [IoSlice::new(head), IoSlice::new(body)];
            let sent = match Pin::new(&mut self.transport).poll_write_vectored(cx, &both) {
                Poll::Pending => return,
                Poll::Ready(Ok(0)) => Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(sent) => sent,
            };
            match sent {
                Ok(mut sent) => {
                    for part in &mut self.unsent {
                        let taken = sent.min(part.len());
                        part.advance(taken);
                        sent -= taken;
                    }
                }
                Err(e) => (self.unsent, self.not_sent) = (Default::default(), Some(e)),
            }
            // The wait for the first byte counts from the last byte of the request.
            self.deadlines.progress();
            if self.is_sent() {
                // An error of it is one of the next read's.
                let _ = Pin::new(&mut self.transport).poll_flush(cx);
                self.unsent = Default::default();
            }
        }
    }

    /// Reads once, which may bring no part.
    fn poll_part(&mut self, cx: &mut Context<'_>, parts: &mut Vec<Part>) -> Poll<Result<()>> {
        if self.reader.is_over() {
            return Poll::Ready(Error::e_explain(ErrorType::ConnectionClosed, "nothing follows"));
        }
        PAGE.with_borrow_mut(|page| {
            let mut page = ReadBuf::new(page);
            let read = ready!(Pin::new(&mut self.transport).poll_read(cx, &mut page));
            self.deadlines.progress();
            Poll::Ready(match read {
                Ok(()) if page.filled().is_empty() => {
                    // The error of a connection that broke may have come to whoever wrote; its end is no answer's.
                    let is_broken = self.not_sent.as_ref().is_some_and(|e| e.kind() == io::ErrorKind::ConnectionReset);
                    let ended = if is_broken {
                        Error::e_explain(ErrorType::ConnectionClosed, "the server broke off")
                    } else {
                        self.reader.end(parts)
                    };
                    ended.map_err(|e| self.why(e))
                }
                Ok(()) => {
                    self.reading = Wait::Body;
                    self.reader.push(page.filled(), parts)
                }
                Err(e) => Err(self.why(Error::because(ErrorType::ReadError, "reading the answer", e))),
            })
        })
    }

    /// A server that takes no request breaks off its answer.
    fn why(&mut self, e: Box<Error>) -> Box<Error> {
        match self.not_sent.take() {
            Some(not_sent) => Error::because(ErrorType::WriteError, "sending the request", not_sent),
            None => e,
        }
    }
}

#[cfg(test)]
mod tests;
