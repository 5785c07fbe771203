export class Emitter {
  constructor() {
    this.listeners = {};
  }

  on(name, listener) {
    (this.listeners[name] ??= []).push(listener);
    return () => {
      this.listeners[name] = this.listeners[name].filter((other) => other !== listener);
    };
  }

  emit(name, ...values) {
    for (const listener of this.listeners[name] ?? []) {
      listener(...values);
    }
  }
}

const emitter = new Emitter();
const off = emitter.on("tick", (n) => console.log("tick", n));
emitter.emit("tick", 1);
off();
emitter.emit("tick", 2);
