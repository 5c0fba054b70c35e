//! Subscribers. There are none yet; the list says so.

use serde::Serialize;
use utoipa::ToSchema;

use crate::page::Pagination;

/// A subscriber.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Subscriber)]
pub struct SubscriberObject {
    /// What requests take as `member_id`.
    pub id: String,
    /// E-mail address.
    pub email: String,
    /// Name.
    pub name: Option<String>,
    /// Since when.
    pub subscribed_at: String,
}

/// A page of subscribers.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SubscribersResponse {
    /// The subscribers of this page.
    pub subscribers: Vec<SubscriberObject>,
    /// Where this page stands.
    pub pagination: Pagination,
}
