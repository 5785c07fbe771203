package gpumem

import "bbjtune/internal/recipe"

// share turns the memory of a training alone into that of one of its workers.
//
// Without sharding each worker has all of it, and a second copy of the adapter's
// gradient in 32 bit, the buckets in which gradients are added up (PyTorch's DDP
// keeps them beside the gradients unless told otherwise).
//
// With FSDP a worker has its share of the weights, of the adapter, its gradient and
// the optimizer's state. Of the decoder's layers it gathers the one that it computes
// and the next; what is outside of the layers, the embeddings, stays gathered from
// the forward to the backward pass (PyTorch's fully_shard keeps its root so).
// Activations are each worker's own.
func (s Shape) share(r *recipe.Recipe, e *Estimate) {
	n := int64(max(1, r.Compute.Workers))
	switch {
	case n == 1:
	case r.Compute.Sharding == "fsdp":
		e.Exchange = 2*s.linearWeights(r)/int64(s.Layers) + s.embeddingWeights(r)
		e.Weights, e.Adapter = ceil(e.Weights, n), ceil(e.Adapter, n)
	default:
		e.Exchange = s.adapter(r.Lora) * bytes32
	}
}

func ceil(bytes, n int64) int64 { return (bytes + n - 1) / n }

// Traffic is what one worker receives, in bytes; it sends as much.
type Traffic struct {
	// Batch is for each batch that it computes, Step once for each optimizer step.
	Batch, Step int64
}

// Exchange says what the workers of a recipe receive from each other.
//
// Without sharding the adapter's gradients are added up once a step, in 32 bit: a
// ring passes 2(n-1)/n of them (Patarasuk and Yuan, 2009). With FSDP each batch
// gathers the weights twice, for the forward and the backward pass, and the
// embeddings once; of what is gathered (n-1)/n comes from others, and so does what
// is left of the gradients after each batch.
func Exchange(s Shape, r *recipe.Recipe) Traffic {
	n := int64(max(1, r.Compute.Workers))
	others := func(bytes int64) int64 { return bytes * (n - 1) / n }
	gradients := s.adapter(r.Lora) * bytes32
	if r.Compute.Sharding == "fsdp" {
		return Traffic{Batch: others(2*s.linearWeights(r)+s.embeddingWeights(r)) + others(gradients)}
	}
	return Traffic{Step: others(2 * gradients)}
}

// Trained is the number of parameters that a recipe trains, the end token's aside.
func Trained(s Shape, r *recipe.Recipe) int64 { return s.adapter(r.Lora) }
