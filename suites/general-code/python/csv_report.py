import csv
from pathlib import Path


def totals(path):
    by_region = {}
    with open(path, newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            region = row["region"]
            by_region[region] = by_region.get(region, 0) + float(row["amount"])
    return by_region


def report(path):
    lines = ["region      total", "-" * 17]
    for region, amount in sorted(totals(path).items()):
        lines.append(f"{region:<10}{amount:>7.2f}")
    return "\n".join(lines)


if __name__ == "__main__":
    example = Path("sales.csv")
    example.write_text("region,amount\nnorth,12.50\nsouth,3\nnorth,7.5\n", encoding="utf-8")
    print(report(example))
    example.unlink()
