class Cart {
  #lines = new Map();

  add(product, price, quantity = 1) {
    const line = this.#lines.get(product) ?? { price, quantity: 0 };
    line.quantity += quantity;
    this.#lines.set(product, line);
    return this;
  }

  remove(product) {
    this.#lines.delete(product);
    return this;
  }

  get total() {
    return [...this.#lines.values()].reduce((sum, { price, quantity }) => sum + price * quantity, 0);
  }
}

const cart = new Cart().add("tea", 3.5, 2).add("cup", 8).remove("cup");
console.log(cart.total.toFixed(2));
