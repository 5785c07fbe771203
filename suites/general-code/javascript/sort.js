function merge(left, right, compare) {
  const merged = [];
  let i = 0;
  let j = 0;
  while (i < left.length && j < right.length) {
    merged.push(compare(left[i], right[j]) <= 0 ? left[i++] : right[j++]);
  }
  return merged.concat(left.slice(i), right.slice(j));
}

export function mergeSort(list, compare = (a, b) => a - b) {
  if (list.length < 2) {
    return list;
  }
  const middle = list.length >> 1;
  return merge(mergeSort(list.slice(0, middle), compare), mergeSort(list.slice(middle), compare), compare);
}

console.log(mergeSort([5, 3, 9, 1, 4]));
