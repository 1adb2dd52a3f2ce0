"""The balancing methods: oversampling, class weights, balanced batches and logit adjustment."""
