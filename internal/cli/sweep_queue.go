package cli

import "sync"

// queue hands out the variants of a sweep in their order, but has those wait whose
// stage 1 another one is training: they take it when it is done.
type queue struct {
	mu   sync.Mutex
	free *sync.Cond
	// waiting are the variants that nobody has begun with.
	waiting []int
	// firsts are the keys of the variants' stage 1, "" where it is nobody else's.
	firsts []string
	// making says which variant trains a stage 1, made that it is there.
	making map[string]int
	made   map[string]bool
	ended  bool
}

func newQueue(firsts []string) *queue {
	q := &queue{firsts: firsts, making: map[string]int{}, made: map[string]bool{}}
	q.free = sync.NewCond(&q.mu)
	for i := range firsts {
		q.waiting = append(q.waiting, i)
	}
	return q
}

// take returns the next variant, once there is one that need not wait; ok is false
// when there is none left.
func (q *queue) take() (i int, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for !q.ended && len(q.waiting) > 0 {
		for at, i := range q.waiting {
			key := q.firsts[i]
			if _, busy := q.making[key]; busy {
				continue
			}
			if key != "" && !q.made[key] {
				q.making[key] = i
			}
			q.waiting = append(q.waiting[:at:at], q.waiting[at+1:]...)
			return i, true
		}
		q.free.Wait()
	}
	return 0, false
}

// first says that the stage 1 of a variant is there.
func (q *queue) first(i int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.made[q.firsts[i]] = true
	q.given(i)
}

// leave says that a variant is done with. Where it came to no stage 1, the next one
// trains it.
func (q *queue) leave(i int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.given(i)
}

func (q *queue) given(i int) {
	if who, busy := q.making[q.firsts[i]]; busy && who == i {
		delete(q.making, q.firsts[i])
	}
	q.free.Broadcast()
}

// end leaves what nobody has begun with.
func (q *queue) end() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.ended = true
	q.free.Broadcast()
}
