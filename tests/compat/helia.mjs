// node helia.mjs URL ADDRESS…: fetches each address (ipfs://…, ipns://…) from the server at URL with Helia's verified-fetch, which
// compares each block with its CID; prints the status, the media type and the sha2-256 of each body. Helia is resolved from the working directory.
import { createHash } from 'node:crypto'
import { pathToFileURL } from 'node:url'

Promise.withResolvers ??= function () { // Node 22 has it
  const made = {}
  made.promise = new this((resolve, reject) => Object.assign(made, { resolve, reject }))
  return made
}
const root = pathToFileURL(`${process.cwd()}/node_modules/@helia/verified-fetch/dist/src/index.js`)
const { createVerifiedFetch } = await import(root)
const [url, ...addresses] = process.argv.slice(2)
const verifiedFetch = await createVerifiedFetch({ gateways: [url], routers: [url], allowLocal: true, allowInsecure: true })
for (const address of addresses) {
  const answer = await verifiedFetch(address)
  const body = new Uint8Array(await answer.arrayBuffer())
  console.log(answer.status, answer.headers.get('content-type'), createHash('sha256').update(body).digest('hex'))
}
await verifiedFetch.stop()
