//! What toolgate is to a server: a client that offers nothing but to call tools.
//! Whatever else a server asks of it is refused; of what it tells, only that its list of tools has changed is heard.

use std::sync::Arc;

use rmcp::model::{ClientCapabilities, ClientConfig, ElicitRequestParams, ElicitResult, ErrorCode, Implementation};
use rmcp::service::{NotificationContext, RequestContext, RoleClient};
use rmcp::{ClientHandler, ErrorData, model};
use tokio::sync::Notify;

/// The client of one connection.
#[derive(Clone, Debug)]
pub struct Handler {
    /// Rung when the list of tools is to be asked for again.
    pub list_changed: Arc<Notify>,
}

impl ClientHandler for Handler {
    fn get_info(&self) -> ClientConfig {
        ClientConfig::new(ClientCapabilities::default(), Implementation::new("toolgate", env!("CARGO_PKG_VERSION")))
    }

    #[expect(deprecated, reason = "servers of earlier versions may ask")]
    async fn list_roots(&self, _: RequestContext<RoleClient>) -> Result<model::ListRootsResult, ErrorData> {
        refused("roots/list")
    }

    async fn create_elicitation(
        &self,
        _: ElicitRequestParams,
        _: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        refused("elicitation/create")
    }

    async fn on_tool_list_changed(&self, _: NotificationContext<RoleClient>) {
        self.list_changed.notify_one();
    }
}

fn refused<T>(method: &'static str) -> Result<T, ErrorData> {
    Err(ErrorData::new(ErrorCode::METHOD_NOT_FOUND, method, None))
}
