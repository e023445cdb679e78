//! Between the wire and the shipments.

use proto::shipping::v1 as wire;
use proto::shipping::v1::shipping_server::Shipping as Wire;
use rpc::status::Violations;
use tonic::{Request, Response, Status};

use crate::error::Error;
use crate::shipment::{Address, Countries, Dispatch, Shipment, check_shipping_id};
use crate::store::Store;

/// `shipping.v1.Shipping` over a store.
#[derive(Debug)]
pub struct ShippingService<S> {
    store: S,
    countries: Countries,
}

impl<S: Store> ShippingService<S> {
    /// Ships to these countries and keeps it in the store.
    pub fn new(store: S, countries: Countries) -> Self {
        Self { store, countries }
    }

    async fn ship(&self, request: wire::CreateShippingRequest) -> Result<Shipment, Error> {
        let dispatch = Dispatch::parse(
            &request.idempotency_key,
            request.user_id,
            &request.order_id,
            request.address.as_ref(),
        )
        .map_err(Error::Invalid)?;
        // What was shipped once stays the answer, also when its country was taken off the list since.
        if let Some(address) = dispatch.address()
            && let Err(refusal) = self.countries.check(address.country)
        {
            return match self.store.shipped(dispatch.key()).await? {
                Some(shipment) => answer(&dispatch, shipment),
                None => Err(refusal),
            };
        }
        let shipment = self.store.ship(&dispatch).await?;
        answer(&dispatch, shipment)
    }

    async fn shipment(&self, id: i64) -> Result<Shipment, Error> {
        let mut violations = Violations::new();
        check_shipping_id(&mut violations, id);
        violations.finish().map_err(Error::Invalid)?;
        self.store.shipment(id).await?.ok_or(Error::NotFound(id))
    }
}

/// The shipment under the key of a wish is its answer if the wish is the same.
fn answer(dispatch: &Dispatch, shipment: Shipment) -> Result<Shipment, Error> {
    if dispatch.made(&shipment) {
        Ok(shipment)
    } else {
        Err(Error::KeyReused(dispatch.key().clone()))
    }
}

#[tonic::async_trait]
impl<S: Store> Wire for ShippingService<S> {
    async fn create(
        &self,
        request: Request<wire::CreateShippingRequest>,
    ) -> Result<Response<wire::CreateShippingResponse>, Status> {
        let shipment = self.ship(request.into_inner()).await?;
        Ok(Response::new(wire::CreateShippingResponse {
            shipment: Some(shipment.into()),
        }))
    }

    async fn get(
        &self,
        request: Request<wire::GetShippingRequest>,
    ) -> Result<Response<wire::GetShippingResponse>, Status> {
        let shipment = self.shipment(request.into_inner().shipping_id).await?;
        Ok(Response::new(wire::GetShippingResponse {
            shipment: Some(shipment.into()),
        }))
    }
}

impl From<Shipment> for wire::Shipment {
    fn from(shipment: Shipment) -> Self {
        Self {
            shipping_id: shipment.id,
            user_id: shipment.user_id,
            order_id: shipment.order_id,
            address: shipment.address.map(Into::into),
        }
    }
}

impl From<Address> for wire::PostalAddress {
    fn from(address: Address) -> Self {
        Self {
            recipient: address.recipient,
            street: address.street,
            city: address.city,
            postal_code: address.postal_code,
            country_code: address.country.to_string(),
        }
    }
}
