//! Transport of messages, whatever carries them: a server may answer and tell as it likes, but ask only so often.
//! How much it sends is metered below, where it is read.

use std::sync::Arc;
use std::time::Instant;

use rmcp::RoleClient;
use rmcp::model::{ClientJsonRpcMessage, JsonRpcMessage, ServerJsonRpcMessage};
use rmcp::transport::Transport;

use super::meter::Meter;

/// A transport whose requests are counted.
pub struct Guarded<T> {
    inner: T,
    meter: Arc<Meter>,
}

impl<T> Guarded<T> {
    /// Of a transport, whose end it is when the meter fails.
    pub fn new(inner: T, meter: Arc<Meter>) -> Self {
        Self { inner, meter }
    }
}

impl<T: Transport<RoleClient> + 'static> Transport<RoleClient> for Guarded<T> {
    type Error = T::Error;

    fn send(&mut self, message: ClientJsonRpcMessage) -> impl Future<Output = Result<(), T::Error>> + Send + 'static {
        self.inner.send(message)
    }

    async fn receive(&mut self) -> Option<ServerJsonRpcMessage> {
        let message = self.inner.receive().await?;
        match message {
            JsonRpcMessage::Request(_) => self.meter.count_request(Instant::now()).ok().map(|()| message),
            message => Some(message),
        }
    }

    async fn close(&mut self) -> Result<(), T::Error> {
        self.inner.close().await
    }
}
