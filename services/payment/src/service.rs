//! Between the wire and the payments.

use proto::payment::v1 as wire;
use proto::payment::v1::payment_server::Payment as Wire;
use rpc::status::Violations;
use tonic::{Request, Response, Status};

use crate::error::Error;
use crate::payment::{Charge, Limits, Payment, Refund, State, check_payment_id};
use crate::store::Store;

/// `payment.v1.Payment` over a store.
#[derive(Debug)]
pub struct PaymentService<S> {
    store: S,
    limits: Limits,
}

impl<S: Store> PaymentService<S> {
    /// Charges up to the limits and keeps it in the store.
    pub fn new(store: S, limits: Limits) -> Self {
        Self { store, limits }
    }

    async fn charge(&self, request: wire::CreatePaymentRequest) -> Result<Payment, Error> {
        let charge = Charge::parse(
            &request.idempotency_key,
            &request.order_id,
            request.user_id,
            request.amount.as_ref(),
        )
        .map_err(Error::Invalid)?;
        // What was charged once stays the answer, also when the limit was lowered since.
        if let Err(refusal) = self.limits.check(charge.amount()) {
            return match self.store.charged(charge.key()).await? {
                Some(payment) => answer(&charge, payment),
                None => Err(refusal),
            };
        }
        let payment = self.store.charge(&charge).await?;
        answer(&charge, payment)
    }

    async fn refund(&self, request: wire::RefundPaymentRequest) -> Result<Payment, Error> {
        let refund = Refund::parse(request.payment_id, &request.reason, &request.order_id)
            .map_err(Error::Invalid)?;
        let payment = self.store.refund(&refund).await?;
        let payment = payment.ok_or(Error::NotFound(refund.payment_id()))?;
        if refund.means(&payment) {
            Ok(payment)
        } else {
            Err(Error::OrderDiffers {
                payment_id: refund.payment_id(),
                order_id: refund.order_id().to_owned(),
            })
        }
    }

    async fn payment(&self, id: i64) -> Result<Payment, Error> {
        let mut violations = Violations::new();
        check_payment_id(&mut violations, id);
        violations.finish().map_err(Error::Invalid)?;
        self.store.payment(id).await?.ok_or(Error::NotFound(id))
    }
}

/// The payment under the key of a wish is its answer if the wish is the same.
fn answer(charge: &Charge, payment: Payment) -> Result<Payment, Error> {
    if charge.made(&payment) {
        Ok(payment)
    } else {
        Err(Error::KeyReused(charge.key().clone()))
    }
}

#[tonic::async_trait]
impl<S: Store> Wire for PaymentService<S> {
    async fn create(
        &self,
        request: Request<wire::CreatePaymentRequest>,
    ) -> Result<Response<wire::CreatePaymentResponse>, Status> {
        let payment = self.charge(request.into_inner()).await?;
        Ok(Response::new(wire::CreatePaymentResponse {
            payment: Some(payment.into()),
        }))
    }

    async fn refund(
        &self,
        request: Request<wire::RefundPaymentRequest>,
    ) -> Result<Response<wire::RefundPaymentResponse>, Status> {
        let payment = self.refund(request.into_inner()).await?;
        Ok(Response::new(wire::RefundPaymentResponse {
            payment: Some(payment.into()),
        }))
    }

    async fn get(
        &self,
        request: Request<wire::GetPaymentRequest>,
    ) -> Result<Response<wire::GetPaymentResponse>, Status> {
        let payment = self.payment(request.into_inner().payment_id).await?;
        Ok(Response::new(wire::GetPaymentResponse {
            payment: Some(payment.into()),
        }))
    }
}

impl From<Payment> for wire::PaymentRecord {
    fn from(payment: Payment) -> Self {
        let state = match payment.state {
            State::Charged => wire::PaymentState::Charged,
            State::Refunded => wire::PaymentState::Refunded,
        };
        Self {
            payment_id: payment.id,
            order_id: payment.order_id,
            user_id: payment.user_id,
            amount: Some(payment.amount.into()),
            state: state.into(),
        }
    }
}
