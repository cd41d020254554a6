// COPY with fetch, then GET: `node fetch.mjs URL PATIENCE`; prints what both told as JSON.
// Node shows its fetch's own Agent, where the patience is set, only by this symbol.
import diagnostics from "node:diagnostics_channel";

const [url, patience] = process.argv.slice(2);
const agent = Symbol.for("undici.globalDispatcher.1");

await fetch("data:,");
const Agent = globalThis[agent].constructor;
const wait = patience ? { headersTimeout: 1000 * patience } : {};
// One connection, for else the second request may open another while the first one's is put back.
globalThis[agent] = new Agent({ connections: 1, ...wait });

let connections = 0;
diagnostics.subscribe("undici:client:connected", () => connections++);

async function told(answer) {
    try {
        return await answer();
    } catch (error) {
        return `${error.cause?.code ?? error.cause ?? error}`;
    }
}

const copied = await told(async () => {
    const headers = { Destination: `${url}copied` };
    const response = await fetch(`${url}tree`, { method: "COPY", headers });
    await response.text();
    return response.status;
});
const hello = await told(async () => (await fetch(`${url}hello`)).text());
console.log(JSON.stringify({ copied, hello, connections }));
process.exit();
