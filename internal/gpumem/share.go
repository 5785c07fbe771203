package gpumem

import "bbjtune/internal/recipe"

// share turns the memory of a training alone into that of one of its workers.
//
// Each worker has the adapter with all that belongs to it, and a second copy of the
// gradient in 32 bit: the buckets in which gradients are added up (PyTorch's DDP
// keeps them beside the gradients unless told otherwise). Activations are its own.
//
// With FSDP a worker has its share of the layers' frozen weights, and gathers of them
// the layer that it computes and the next. Embeddings stay whole, and so do NF4's
// constants, which are no parameters (worker/distributed.py).
func (s Shape) share(r *recipe.Recipe, e *Estimate) {
	n := int64(max(1, r.Compute.Workers))
	if n == 1 {
		return
	}
	e.Exchange = s.adapter(r.Lora) * bytes32
	if r.Compute.Sharding == "fsdp" {
		layers := s.sharded(r)
		if r.Quantization == "nf4" {
			e.Loading = e.Weights + e.Runtime
		}
		e.Weights -= layers - (layers+n-1)/n
		e.Exchange += 2 * layers / int64(s.Layers)
	}
}

// sharded are the bytes of the weights that FSDP lays out.
func (s Shape) sharded(r *recipe.Recipe) int64 {
	if r.Quantization == "nf4" {
		return s.Linear() / 2 // 4 bits each
	}
	return s.Linear() * width(r)
}

// Traffic is what one worker receives, in bytes; it sends as much.
type Traffic struct {
	// Batch is for each batch that it computes, Step once for each optimizer step.
	Batch, Step int64
}

// Exchange says what the workers of a recipe receive from each other.
//
// The adapter's gradients are added up once a step, in 32 bit: a ring passes
// 2(n-1)/n of them (Patarasuk and Yuan, 2009). With FSDP each batch gathers the
// layers' weights twice, for the forward and the backward pass, and (n-1)/n of them
// come from others.
func Exchange(s Shape, r *recipe.Recipe) Traffic {
	n := int64(max(1, r.Compute.Workers))
	t := Traffic{Step: 2 * s.adapter(r.Lora) * bytes32 * (n - 1) / n}
	if r.Compute.Sharding == "fsdp" {
		t.Batch = 2 * s.sharded(r) * (n - 1) / n
	}
	return t
}
