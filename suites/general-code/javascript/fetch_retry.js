const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

export async function fetchWithRetry(url, { retries = 3, wait = 100, ...options } = {}) {
  for (let attempt = 0; ; attempt++) {
    try {
      const response = await fetch(url, options);
      if (response.ok) {
        return await response.json();
      }
      if (response.status < 500) {
        throw new Error(`status ${response.status}`);
      }
    } catch (error) {
      if (attempt >= retries) {
        throw error;
      }
    }
    if (attempt >= retries) {
      throw new Error(`no answer after ${attempt + 1} tries`);
    }
    await pause(wait * 2 ** attempt);
  }
}
