def sieve(limit):
    """All primes below limit."""
    composite = bytearray(limit)
    found = []
    for n in range(2, limit):
        if composite[n]:
            continue
        found.append(n)
        for multiple in range(n * n, limit, n):
            composite[multiple] = 1
    return found


def factors(n):
    result = []
    divisor = 2
    while divisor * divisor <= n:
        while n % divisor == 0:
            result.append(divisor)
            n //= divisor
        divisor += 1
    if n > 1:
        result.append(n)
    return result


print(sieve(50))
print(factors(360))
