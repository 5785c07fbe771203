export function parseQuery(text) {
  const result = {};
  for (const pair of text.replace(/^\?/, "").split("&")) {
    if (!pair) {
      continue;
    }
    const [name, value = ""] = pair.split("=").map(decodeURIComponent);
    if (name in result) {
      result[name] = [].concat(result[name], value);
    } else {
      result[name] = value;
    }
  }
  return result;
}

export function buildQuery(values) {
  return Object.entries(values)
    .flatMap(([name, value]) => [].concat(value).map((each) => `${encodeURIComponent(name)}=${encodeURIComponent(each)}`))
    .join("&");
}

console.log(parseQuery("?a=1&b=two%20words&a=3"));
