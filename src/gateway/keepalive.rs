//! Keep-alive comments: a client that asked for a stream hears, until the first words of its answer, a head of the
//! gateway's own and how its request stands.
//! Waits for nothing itself; whoever waits calls.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use pingora::http::{ResponseHeader, Version};
use pingora::proxy::Session;
use pingora::{Error, Result};

use crate::answer::Retelling;
use crate::api::ClientApi;
use crate::api::openai::ToldText;
use crate::limits::Limits;
use crate::plan::{Delivery, Plan, Progress};
use crate::upstream::{Asker, Comments, Opening, Until, Wordless};

use super::attempt::{Client, Explain, Intake, Receipt, WaitStatus};
use super::body::{RequestBody, Upload};
use super::body_memory::BodyMemory;
use super::fault::Halt;
use super::headers::{self, Fields};
use super::moment;
use super::route::is_json;
use super::session;

/// How a request waits for its answer.
#[derive(Debug, Default)]
pub struct KeepAlive {
    /// Absent when the answer is shown as it comes.
    held: Option<Until>,
    /// Whether errors that tell what the model wrote are read.
    told_text: ToldText,
    /// How long the client may hear nothing; absent when it hears nothing at all.
    every: Option<Duration>,
    /// When it last heard something; absent while its answer comes.
    heard: Option<Instant>,
    stage: Stage,
    client: ClientApi,
    /// Whether the client has got a head of the gateway's own.
    has_commented: bool,
    /// Fields of each head that it gets.
    fields: Fields,
}

/// What the client has got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    /// Nothing of the gateway's.
    #[default]
    Silence,
    /// The gateway's own head, and comments.
    Comments,
    /// A server's answer, behind comments or not.
    Answer,
}

impl KeepAlive {
    /// The wait that a plan asks for, from now on.
    pub fn of(plan: &Plan, limits: &Limits) -> Self {
        let held = match plan.delivery {
            Delivery::AtOnce => return Self::default(),
            Delivery::OnceKnown => Until::Known,
            Delivery::OnceSpoken { progress: Progress::Clients, .. } => Until::Spoken(Asker::Client, Comments::Servers),
            Delivery::OnceSpoken { progress: Progress::Gateways, .. } => {
                Until::Spoken(Asker::Gateway, Comments::Servers)
            }
            Delivery::Assembled { choices } => Until::Whole { choices, limits: limits.clone() },
        };
        let (every, heard) = (plan.comments(), Some(Instant::now()));
        let told_text = if plan.reads_errors() { ToldText::Read } else { ToldText::Ignored };
        Self {
            held: Some(held),
            told_text,
            every,
            heard,
            stage: Stage::default(),
            client: ClientApi::default(),
            has_commented: false,
            fields: Fields::default(),
        }
    }

    /// The same for a client of this API.
    pub fn for_client(self, client: &ClientApi, fields: &Fields) -> Self {
        let is_heard = client.is_anthropics() && self.told_text == ToldText::Ignored;
        let told_text = if is_heard { ToldText::Heard } else { self.told_text };
        // A refusal may have to get another status for its words.
        let held = self.held.or_else(|| client.is_anthropics().then_some(Until::Known));
        Self { client: client.clone(), fields: Arc::clone(fields), told_text, held, ..self }
    }

    /// Another plan holds from here on; what the client has heard, it has heard.
    pub fn plan_anew(&mut self, plan: &Plan, limits: &Limits) {
        let anew = Self::of(plan, limits).for_client(&self.client, &self.fields);
        (self.held, self.told_text) = (anew.held, anew.told_text);
    }

    /// When it is to hear something next.
    pub fn next(&self) -> Option<Instant> {
        self.heard?.checked_add(self.every?)
    }

    /// The opening of the answer to the next try, where that is held.
    pub fn opening(&self, wordless: Wordless) -> Option<Opening> {
        let mut opening = Opening::new(self.held.clone()?, wordless).with_told_text(self.told_text);
        if self.is_commented() {
            opening.comment();
        }
        Some(opening)
    }

    /// Whether the client has got a head and no answer.
    pub fn is_commented(&self) -> bool {
        self.stage == Stage::Comments
    }

    /// Whether it has got a head before any answer.
    pub fn has_commented(&self) -> bool {
        self.has_commented
    }

    /// The client has got something of an answer, and waits for more of it, which a server is still to give.
    pub fn go_on(&mut self) {
        (self.stage, self.has_commented, self.heard) = (Stage::Comments, true, Some(Instant::now()));
    }

    /// It has heard something.
    pub fn heard(&mut self) {
        self.heard = Some(Instant::now());
    }

    /// A server's answer follows.
    pub fn answered(&mut self) {
        self.stage = Stage::Answer;
    }

    /// Tells the client how its request stands, behind a head of the gateway's own. Fails when it has left.
    pub async fn comment(&mut self, session: &mut Session, standing: WaitStatus, own: OwnHead<'_>) -> Result<()> {
        let mut said = Bytes::new();
        if self.stage == Stage::Silence {
            let mut head = own.head(session, self.client.stream_type())?;
            headers::insert_all(&self.fields, &mut head)?;
            session.as_downstream_mut().set_ignore_info_resp(true);
            session.write_response_header(Box::new(head), false).await.map_err(Error::into_down)?;
            said = self.client.beginning();
            (self.stage, self.has_commented) = (Stage::Comments, true);
        }
        said = [said, self.client.keep_alive(&standing.to_string(), moment::now())].concat().into();
        session.write_response_body(Some(said), false).await.map_err(Error::into_down)?;
        self.heard = Some(Instant::now());
        Ok(())
    }

    /// A piece of a stream that is read has gone through. Where nothing comes of one piece after the other, since what
    /// the model writes is not decided yet, the client hears a comment.
    /// In some APIs what it hears depends on what it was told.
    pub fn fill_silence(&mut self, piece: &mut Option<Bytes>, retelling: Option<&mut Retelling>) {
        let Some(every) = self.every else { return };
        if piece.as_ref().is_some_and(|piece| !piece.is_empty()) {
            self.heard = None;
            return;
        }
        let now = Instant::now();
        let heard = *self.heard.get_or_insert(now);
        if now.saturating_duration_since(heard) >= every {
            self.heard = Some(now);
            let comment = || self.client.keep_alive(&WaitStatus::Asked(None).to_string(), moment::now());
            let said = retelling.and_then(Retelling::wait).unwrap_or_else(comment);
            *piece = Some(said).filter(|said| !said.is_empty());
        }
    }
}

/// What the head of a stream says whose server has not answered yet.
#[derive(Clone, Copy, Debug)]
pub struct OwnHead<'a> {
    pub request_id: &'a str,
    /// Which server has the request, if one has, for a client that asks.
    pub receipt: Option<Receipt<'a>>,
}

impl OwnHead<'_> {
    fn head(self, session: &Session, content_type: &'static str) -> Result<ResponseHeader> {
        let mut head = ResponseHeader::build(200, Some(6))?;
        head.insert_header("Content-Type", content_type)?;
        headers::keep_streaming(&mut head)?;
        head.insert_header("X-Request-Id", self.request_id)?;
        if let Some(receipt) = self.receipt {
            receipt.write(Explain::of(session.req_header()), &mut head)?;
        }
        if session.req_header().version != Version::HTTP_10 {
            head.insert_header("Transfer-Encoding", "chunked")?;
        }
        Ok(head)
    }
}

/// The client of a session, while no server has answered it.
#[expect(missing_debug_implementations, reason = "Pingora's session has none")]
pub struct SessionClient<'a> {
    pub session: &'a mut Session,
    pub keepalive: &'a mut KeepAlive,
    pub body: &'a mut RequestBody,
    pub limits: &'a Limits,
    pub bodies: &'a BodyMemory,
    pub id: &'a str,
    /// Whether nothing of the request has gone to a server yet.
    pub is_first: bool,
}

#[async_trait]
impl Client for SessionClient<'_> {
    async fn left(&mut self) -> Box<Error> {
        if !self.session.is_body_empty() && !self.session.is_body_done() {
            return std::future::pending().await;
        }
        session::left(self.session).await
    }

    fn tell_at(&self) -> Option<Instant> {
        self.keepalive.next()
    }

    async fn tell(&mut self, standing: WaitStatus) -> Result<()> {
        self.keepalive.comment(self.session, standing, OwnHead { request_id: self.id, receipt: None }).await
    }

    async fn body(&mut self, intake: Intake) -> Result<Option<Bytes>, Halt> {
        if self.takes_in(intake) {
            self.body.read_ahead(self.session, self.limits, self.bodies).await?;
        }
        Ok(self.body.known(self.session))
    }
}

impl SessionClient<'_> {
    /// Whether the body is still to come, and may be read before a server is chosen.
    fn takes_in(&mut self, intake: Intake) -> bool {
        let request = self.session.req_header();
        let length = request.headers.get("content-length");
        let length = length.and_then(|value| value.to_str().ok()?.trim().parse::<usize>().ok());
        let fits = match intake {
            Intake::Known => false,
            // The end of any other than JSON is not known before it has come.
            _ if request.headers.contains_key("transfer-encoding") => intake == Intake::All && is_json(request),
            Intake::WithLength | Intake::All => {
                length.is_some_and(|length| length <= self.limits.request_body_bytes_max)
            }
        };
        fits && self.is_first && matches!(self.body.upload, Upload::AsRead) && !self.session.is_body_done()
    }
}
