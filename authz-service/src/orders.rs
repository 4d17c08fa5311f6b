//! Orders of instances as accounts see them: how far one is, and ordering again. Sending them is the work of
//! `crate::outbox`.

use control_api::authz::{OrderInstanceRequest, OrderState, ProvisioningView};
use control_api::ids::UserId;

use crate::audit;
use crate::authz::Authz;
use crate::error::Error;

impl Authz {
    /// How far the account's order is. An account that the operator made has an instance without an order.
    pub(crate) async fn provisioning(&self, user_id: UserId) -> Result<ProvisioningView, Error> {
        if let Some(view) = self.store.order_view(user_id).await? {
            return Ok(view);
        }
        Ok(match self.store.instance_of(user_id).await? {
            Some(instance_id) => ProvisioningView {
                state: OrderState::Accepted,
                instance_id: Some(instance_id),
                operation_id: None,
                reason: None,
            },
            None => ProvisioningView {
                state: OrderState::Refused,
                instance_id: None,
                operation_id: None,
                reason: Some("No instance has been ordered for this account yet.".to_owned()),
            },
        })
    }

    /// `POST /portal/provisioning`.
    pub(crate) async fn order_again(
        &self,
        request: &OrderInstanceRequest,
    ) -> Result<ProvisioningView, Error> {
        let session = self.session(&request.session).await?;
        let now = self.now();
        self.store.renew_order(session.user_id, request.slug.as_ref(), now).await?;
        self.ordered.notify_one();
        let entry = audit::entry(now, &session.user_id, "order-instance", &session.user_id, None);
        self.store.append_audit(&entry).await?;
        self.provisioning(session.user_id).await
    }
}
