class Tree {
  constructor(compare = (a, b) => (a < b ? -1 : a > b ? 1 : 0)) {
    this.compare = compare;
    this.root = null;
  }

  add(value) {
    const node = { value, left: null, right: null };
    if (!this.root) {
      this.root = node;
      return;
    }
    let at = this.root;
    for (;;) {
      const side = this.compare(value, at.value) < 0 ? "left" : "right";
      if (!at[side]) {
        at[side] = node;
        return;
      }
      at = at[side];
    }
  }

  *[Symbol.iterator](node = this.root) {
    if (node) {
      yield* this[Symbol.iterator](node.left);
      yield node.value;
      yield* this[Symbol.iterator](node.right);
    }
  }
}

const tree = new Tree();
for (const n of [5, 2, 8, 1]) {
  tree.add(n);
}
console.log([...tree].join(" "));
