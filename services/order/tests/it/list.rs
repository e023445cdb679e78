//! Pages of orders.

use order::order::State;
use proto::order::v1::{CreateOrderRequest, ListOrdersRequest, OrderState};
use tonic::Code;

use crate::support::peers::Fate;
use crate::support::{Process, World, refused, request};

/// Whose orders the pages of a list show, and how many pages there are.
async fn users(process: &Process, mut list: ListOrdersRequest) -> (Vec<i64>, usize) {
    let mut users = Vec::new();
    for pages in 1.. {
        let page = process.client.clone().list(list.clone()).await;
        let page = page.expect("a page").into_inner();
        assert!(page.orders.len() <= 100);
        users.extend(page.orders.iter().map(|order| order.user_id));
        if page.next_page_token.is_empty() {
            return (users, pages);
        }
        list.page_token = page.next_page_token;
    }
    unreachable!("a list ends");
}

async fn ordered(world: &World, process: &Process, users: std::ops::RangeInclusive<i64>) {
    for user_id in users {
        let order = CreateOrderRequest {
            user_id,
            ..request(&format!("k{user_id}"))
        };
        // Refused ones are listed as well.
        let answer = process.create(order).await;
        assert!(
            answer.is_ok()
                || world
                    .store
                    .all()
                    .last()
                    .is_some_and(|o| o.state == State::Refused)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn pages_follow_each_other_newest_first_without_gap_or_repetition() {
    let world = World::new();
    let process = world.start();
    ordered(&world, &process, 1..=7).await;
    for (page_size, pages) in [(1, 7), (2, 4), (3, 3), (6, 2), (7, 1), (0, 1)] {
        let list = ListOrdersRequest {
            page_size,
            ..Default::default()
        };
        let listed = users(&process, list).await;
        assert_eq!(
            listed,
            (vec![7, 6, 5, 4, 3, 2, 1], pages),
            "{page_size} on a page"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_order_that_is_placed_between_two_pages_disturbs_neither() {
    let world = World::new();
    let process = world.start();
    ordered(&world, &process, 1..=4).await;
    let mut list = ListOrdersRequest {
        page_size: 2,
        ..Default::default()
    };
    let first = process
        .client
        .clone()
        .list(list.clone())
        .await
        .expect("a page")
        .into_inner();
    ordered(&world, &process, 5..=5).await;
    list.page_token = first.next_page_token;
    assert_eq!(users(&process, list).await.0, [2, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_list_can_be_of_one_user_and_of_one_state() {
    let world = World::new();
    world
        .peers
        .next("payment.create", &[Fate::Well, Fate::Refused]);
    let process = world.start();
    ordered(&world, &process, 1..=3).await;
    let of = async |user_id, state: OrderState| {
        let list = ListOrdersRequest {
            user_id,
            state: state.into(),
            ..Default::default()
        };
        users(&process, list).await.0
    };
    assert_eq!(of(0, OrderState::Refused).await, [2]);
    assert_eq!(of(0, OrderState::Shipped).await, [3, 1]);
    assert_eq!(of(3, OrderState::Unspecified).await, [3]);
    assert_eq!(of(2, OrderState::Shipped).await, [] as [i64; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_token_of_another_list_is_refused() {
    let world = World::new();
    let process = world.start();
    ordered(&world, &process, 1..=3).await;
    let mut list = ListOrdersRequest {
        page_size: 1,
        ..Default::default()
    };
    let page = process
        .client
        .clone()
        .list(list.clone())
        .await
        .expect("a page");
    list.page_token = page.into_inner().next_page_token;
    list.user_id = 1;
    let refusal = refused(process.client.clone().list(list).await);
    assert_eq!(refusal.code, Code::InvalidArgument);
    assert_eq!(refusal.fields[0].field, "page_token");
}
