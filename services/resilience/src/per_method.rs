//! A setting per method: `order.v1.Order/Create`, else `order.v1.Order/*`, else the default.

use std::collections::{BTreeMap, HashMap};

/// A value for every method, found by a request's path without allocating.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PerMethod<T> {
    default: T,
    methods: HashMap<String, T>,
    services: HashMap<String, T>,
}

// === impl PerMethod ===

impl<T> PerMethod<T> {
    /// The same value for every method.
    pub fn new(default: T) -> Self {
        Self {
            default,
            methods: HashMap::new(),
            services: HashMap::new(),
        }
    }

    /// Sets the value of one method (`package.Service/Method`) or of the other methods of a service
    /// (`package.Service/*`).
    ///
    /// # Errors
    ///
    /// When the name has neither form.
    pub fn set(&mut self, name: &str, value: T) -> Result<(), MethodNameError> {
        match name.split_once('/') {
            Some((service, method))
                if !service.is_empty() && !method.is_empty() && !method.contains('/') =>
            {
                if method == "*" {
                    self.services.insert(service.into(), value);
                } else {
                    self.methods.insert(name.into(), value);
                }
                Ok(())
            }
            _ => Err(MethodNameError { name: name.into() }),
        }
    }

    /// The value for the path of a request, such as `/order.v1.Order/Create`.
    pub fn get(&self, path: &str) -> &T {
        if self.methods.is_empty() && self.services.is_empty() {
            return &self.default;
        }
        let name = path.strip_prefix('/').unwrap_or(path);
        self.methods
            .get(name)
            .or_else(|| self.services.get(name.split_once('/')?.0))
            .unwrap_or(&self.default)
    }

    /// The value of every method that is not named.
    pub fn default_value(&self) -> &T {
        &self.default
    }

    /// Every value made into another; the first failure ends it.
    pub(crate) fn build<C, E: From<MethodNameError>>(
        default: T,
        named: &BTreeMap<String, C>,
        mut make: impl FnMut(&str, &C) -> Result<T, E>,
    ) -> Result<Self, E> {
        let mut built = Self::new(default);
        for (name, config) in named {
            built.set(name, make(name, config)?)?;
        }
        Ok(built)
    }
}

/// A name that names no method.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{name:?} names no method: write \"package.Service/Method\", or \"package.Service/*\" for all methods of a service"
)]
pub struct MethodNameError {
    name: String,
}

/// ` for package.Service/Method` in the sentence of an error; empty for all methods.
pub(crate) fn place(name: &str) -> String {
    if name.is_empty() {
        String::new()
    } else {
        format!(" for {name}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_method_goes_before_the_service_and_that_before_the_default()
    -> Result<(), MethodNameError> {
        let mut settings = PerMethod::new(0);
        settings.set("order.v1.Order/*", 1)?;
        settings.set("order.v1.Order/Create", 2)?;
        assert_eq!(*settings.get("/order.v1.Order/Create"), 2);
        assert_eq!(*settings.get("/order.v1.Order/Get"), 1);
        assert_eq!(*settings.get("/payment.v1.Payment/Create"), 0);
        assert_eq!(*settings.get(""), 0);
        Ok(())
    }

    #[test]
    fn what_names_no_method_is_refused() {
        for name in ["", "order", "/Create", "order/", "a/b/c", "/order/Create"] {
            assert!(PerMethod::new(()).set(name, ()).is_err(), "{name:?}");
        }
    }
}
