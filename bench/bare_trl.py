"""What a bare script with TRL's SFTTrainer does with the rows and the settings of a train job: python bare_trl.py JOB.

The library tokenises, masks, packs, collates and computes the loss as it does by default; nothing of the worker's is
used. A line of JSON a step goes to stdout: its number and the tokens so far, as the library counts them.
bench/beside_trl.py measures.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerBase, TrainerCallback
from trl import SFTConfig, SFTTrainer


class Steps(TrainerCallback):
    def __init__(self, stream: Any) -> None:
        self.stream = stream

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any], **_: Any) -> None:
        if "loss" in logs:
            line = {"event": "step", "step": state.global_step, "tokens": int(logs["num_tokens"]), "loss": logs["loss"]}
            print(json.dumps(line), file=self.stream, flush=True)


def rows(path: str, kind: str) -> Dataset:
    read = [json.loads(line) for line in Path(path).read_text("utf-8").split("\n") if line.strip()]
    if kind == "text":
        return Dataset.from_list([{"text": row["text"]} for row in read])
    return Dataset.from_list([{"prompt": row["messages"][:-1], "completion": row["messages"][-1:]} for row in read])


def fitting(data: Dataset, tokenizer: PreTrainedTokenizerBase, most: int) -> Dataset:
    """Without the rows that the worker drops, because they are too long."""

    def fits(row: dict[str, Any]) -> bool:
        if "text" in row:
            return len(tokenizer(row["text"])["input_ids"]) < most
        return len(tokenizer.apply_chat_template(row["prompt"] + row["completion"], return_dict=False)) <= most

    return data.filter(fits)


def adapted(job: dict[str, Any]) -> Any:
    model = AutoModelForCausalLM.from_pretrained(
        job["base_model"],
        dtype=torch.bfloat16 if job["precision"] == "bf16" else torch.float32,
        attn_implementation=job["attention"],
    )
    if job["adapter_in"]:
        return PeftModel.from_pretrained(model, job["adapter_in"], is_trainable=True)
    lora = job["lora"]
    return get_peft_model(
        model,
        LoraConfig(
            task_type="CAUSAL_LM",
            r=lora["r"],
            lora_alpha=lora["alpha"],
            lora_dropout=lora["dropout"],
            target_modules=lora["targets"],
        ),
    )


def main() -> None:
    job = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    stream = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print goes to stderr
    if job["threads"]:
        torch.set_num_threads(job["threads"])
    tokenizer = AutoTokenizer.from_pretrained(job["base_model"])
    trainer = SFTTrainer(
        model=adapted(job),
        args=SFTConfig(
            output_dir=job["output"],
            seed=job["seed"],
            use_cpu=job["device"] == "cpu",
            bf16=job["precision"] == "bf16",
            max_steps=job["max_steps"],
            per_device_train_batch_size=job["batch_size"],
            gradient_accumulation_steps=job["gradient_accumulation"],
            learning_rate=job["learning_rate"],
            lr_scheduler_type=job["scheduler"],
            warmup_steps=job["warmup_ratio"],
            weight_decay=job["weight_decay"],
            max_grad_norm=job["max_grad_norm"],
            optim=job["optimizer"],
            activation_checkpointing=job["gradient_checkpointing"],
            max_length=job["max_length"],
            packing=job["packing"] == "bfd",
            train_sampling_strategy="group_by_length" if job["group_by_length"] else "random",
            logging_steps=1,
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
        ),
        train_dataset=fitting(rows(job["train"], job["format"]), tokenizer, job["max_length"]),
        processing_class=tokenizer,
        callbacks=[Steps(stream)],
    )
    trainer.train()


if __name__ == "__main__":
    main()
