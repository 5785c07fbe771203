from collections import deque
from heapq import heappop, heappush


def breadth_first(graph, start):
    seen = {start}
    queue = deque([start])
    order = []
    while queue:
        node = queue.popleft()
        order.append(node)
        for neighbour in graph.get(node, ()):
            if neighbour not in seen:
                seen.add(neighbour)
                queue.append(neighbour)
    return order


def shortest(graph, start):
    """Distances from start; graph maps a node to pairs of neighbour and length."""
    distance = {start: 0}
    heap = [(0, start)]
    while heap:
        so_far, node = heappop(heap)
        if so_far > distance[node]:
            continue
        for neighbour, length in graph.get(node, ()):
            candidate = so_far + length
            if candidate < distance.get(neighbour, float("inf")):
                distance[neighbour] = candidate
                heappush(heap, (candidate, neighbour))
    return distance
