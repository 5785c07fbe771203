import { createServer } from "node:http";

const notes = new Map();
let next = 1;

function send(response, status, value) {
  response.writeHead(status, { "Content-Type": "application/json" });
  response.end(JSON.stringify(value));
}

async function body(request) {
  let text = "";
  for await (const chunk of request) {
    text += chunk;
  }
  return JSON.parse(text);
}

const server = createServer(async (request, response) => {
  try {
    if (request.method === "GET" && request.url === "/notes") {
      send(response, 200, [...notes.values()]);
    } else if (request.method === "POST" && request.url === "/notes") {
      const note = { id: next++, ...(await body(request)) };
      notes.set(note.id, note);
      send(response, 201, note);
    } else {
      send(response, 404, { error: "not found" });
    }
  } catch (error) {
    send(response, 400, { error: error.message });
  }
});

server.listen(8080);
