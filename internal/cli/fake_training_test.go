package cli_test

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// fakeTraining plays a stage of ten steps an epoch whose loss falls to that of its
// learning rate: the nearer to 1e-3, the lower. Steps go to the file that FAKE_STEPS
// names, a line each, and take FAKE_PACE. Like the worker's, its checkpoints are
// complete or nothing, and a job goes on from the newest.
func fakeTraining(text []byte) error {
	var job struct {
		Stage, Output string
		LearningRate  float64 `json:"learning_rate"`
		Epochs        float64
		EvalSteps     int `json:"eval_steps"`
		Rungs         []int
	}
	if err := json.Unmarshal(text, &job); err != nil {
		return err
	}
	if slices.Contains(strings.Fields(os.Getenv("FAKE_BROKEN")), fmt.Sprint(job.LearningRate)) {
		_, err := fmt.Println(`{"event":"failed","kind":"nan_loss","message":"the loss became nan at step 3","hint":""}`)
		return err
	}
	pace, err := time.ParseDuration(os.Getenv("FAKE_PACE"))
	if err != nil {
		return err
	}
	steps := int(10 * job.Epochs)
	loss := func(step int) float64 {
		return 1 + math.Abs(math.Log10(job.LearningRate)+3) + math.Exp(-3*float64(step)/float64(steps))
	}
	log := func(upTo int) string {
		lines := fmt.Sprintf(`{"step": 0, "epoch": 0, "eval_loss": %v}`+"\n", loss(0))
		for n := job.EvalSteps; n <= upTo; n += job.EvalSteps {
			lines += fmt.Sprintf(`{"step": %d, "epoch": 0, "loss": %v}`+"\n"+`{"step": %d, "epoch": 0, "eval_loss": %v}`+"\n", n, loss(n), n, loss(n))
		}
		return lines
	}
	rung := func(step int) {
		if step%job.EvalSteps == 0 && slices.Contains(job.Rungs, step/job.EvalSteps) {
			fmt.Printf(`{"event":"rung","evaluation":%d,"step":%d,"steps":%d,"loss":%v,"finished":%t}`+"\n", step/job.EvalSteps, step, steps, loss(step), step == steps)
			time.Sleep(30 * time.Millisecond) // real steps are long: it is ended before the next
		}
	}
	at := newestFake(job.Output)
	for step := range at {
		rung(step + 1)
	}
	for step := at + 1; step <= steps; step++ {
		time.Sleep(pace)
		if err := addLine(os.Getenv("FAKE_STEPS"), fmt.Sprintf("%s %v %d", job.Stage, job.LearningRate, step)); err != nil {
			return err
		}
		fmt.Printf(`{"event":"step","step":%d,"steps":%d,"loss":%v}`+"\n", step, steps, loss(step))
		if step%job.EvalSteps == 0 {
			fmt.Printf(`{"event":"eval","step":%d,"loss":%v}`+"\n", step, loss(step))
			if err := os.Mkdir(filepath.Join(job.Output, "checkpoint-"+strconv.Itoa(step)), 0o755); err != nil {
				return err
			}
			rung(step)
		}
	}
	for name, content := range map[string]string{
		"training_log.jsonl": log(steps), "training_config.json": "{}", "adapter/adapter_config.json": "{}",
		"adapter/adapter_model.safetensors": fmt.Sprint(job.Stage, job.LearningRate),
	} {
		path := filepath.Join(job.Output, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			return err
		}
	}
	_, err = fmt.Printf(`{"event":"done","result":{"steps":%d,"adapter_step":%d,"eval_loss_first":%v,"eval_loss_last":%v,"best_eval_loss":%v}}`+"\n", steps, steps, loss(0), loss(steps), loss(steps))
	return err
}

// newestFake is the step of the newest checkpoint in a folder.
func newestFake(output string) int {
	newest := 0
	found, _ := filepath.Glob(filepath.Join(output, "checkpoint-*"))
	for _, path := range found {
		if n, err := strconv.Atoi(strings.TrimPrefix(filepath.Base(path), "checkpoint-")); err == nil {
			newest = max(newest, n)
		}
	}
	return newest
}

func addLine(path, line string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = fmt.Fprintln(f, line)
	return err
}
