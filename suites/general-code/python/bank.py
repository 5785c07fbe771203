"""A bank with accounts that cannot be overdrawn."""


class Overdrawn(Exception):
    pass


class Account:
    def __init__(self, owner, balance=0):
        self.owner = owner
        self.balance = balance

    def deposit(self, amount):
        if amount <= 0:
            raise ValueError("a deposit is above zero")
        self.balance += amount

    def withdraw(self, amount):
        if amount > self.balance:
            raise Overdrawn(f"{self.owner} has only {self.balance}")
        self.balance -= amount


def transfer(source, target, amount):
    source.withdraw(amount)
    target.deposit(amount)


if __name__ == "__main__":
    ann, bob = Account("Ann", 100), Account("Bob")
    transfer(ann, bob, 30)
    print(ann.balance, bob.balance)
