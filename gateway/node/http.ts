import { isIP, type LookupFunction } from 'node:net'
import type { Dispatcher } from 'undici'
import type { Http, HttpAnswer, HttpRequest, Names } from '../ports.ts'
import type { Runtime } from '../runtime.ts'

/**
 * HTTP over undici. Every exchange has a connection of its own: on a kept one nobody could say whether a request that
 * met a reset was taken. The host is resolved through `names`, which is the egress list, and that very address is
 * connected to, with the host's own name in SNI, certificate check and Host header; so a name that resolves
 * differently a moment later changes nothing.
 */
export function createHttp(
  options: Readonly<{
    names: Names
    runtime: Pick<Runtime, 'deadline'>
    /** PEM of authorities to trust instead of the built-in ones. */
    ca?: string
  }>,
): Http {
  const { names, runtime, ca } = options
  return {
    async send(request, signal) {
      const url = targetOf(request)
      if (typeof url === 'string') return { kind: 'failed', reason: url }
      const until = AbortSignal.any([signal, runtime.deadline(request.timeoutMs)])
      const host = url.hostname.replace(/^\[|\]$/g, '')
      const address = await resolve(names, host, until)
      if (address.kind === 'failed') return address
      return exchange(request, url, address.address, { until, ca: ca ?? null })
    },
  }
}

/** The URL, or why it is not talked to. */
function targetOf(request: HttpRequest): URL | string {
  if (!URL.canParse(request.url)) return 'The address is not a URL'
  const url = new URL(request.url)
  if (url.protocol !== 'https:' && url.protocol !== 'http:')
    return `The address begins with ${url.protocol}, not with https:`
  if (url.username !== '' || url.password !== '') return 'The address holds a user name or a password'
  if (Object.keys(request.headers).some((name) => OWN_HEADERS.has(name.toLowerCase()))) {
    return 'The request sets a header that belongs to the connection'
  }
  return url
}

const OWN_HEADERS = new Set([
  'host',
  'connection',
  'content-length',
  'transfer-encoding',
  'expect',
  'upgrade',
])

type Resolved = Readonly<{ kind: 'resolved'; address: string } | { kind: 'failed'; reason: string }>

async function resolve(names: Names, host: string, until: AbortSignal): Promise<Resolved> {
  try {
    const address = await names.resolve(host, until)
    if (address === null)
      return { kind: 'failed', reason: `${host} is not on the egress list, or has no address` }
    // A literal address is not looked up, so it must be allowed as it stands.
    if (isIP(host) !== 0 && address !== host)
      return { kind: 'failed', reason: `${host} is not on the egress list` }
    return { kind: 'resolved', address }
  } catch (error) {
    return { kind: 'failed', reason: reasonOf(error, until) }
  }
}

async function exchange(
  request: HttpRequest,
  url: URL,
  address: string,
  { until, ca }: Readonly<{ until: AbortSignal; ca: string | null }>,
): Promise<HttpAnswer> {
  // Only now: it takes 30 MB, and not every gateway sends something.
  const { buildConnector, Client } = await import('undici')
  // From the moment a connection stands, bytes may be on their way.
  const state = { isConnected: false }
  const connect = buildConnector({
    lookup: lookupOf(address),
    timeout: request.timeoutMs,
    autoSelectFamily: false,
    ...(ca === null ? {} : { ca }),
  })
  const client = new Client(url.origin, {
    pipelining: 0,
    headersTimeout: 0,
    bodyTimeout: 0,
    maxHeaderSize: HEADER_BYTES_MAX,
    connect: (options, callback) =>
      connect(options, (...result) => {
        if (result[0] === null) state.isConnected = true
        callback(...result)
      }),
  })
  try {
    const response = await client.request({
      method: request.method,
      path: url.pathname + url.search,
      headers: { 'accept-encoding': 'identity', ...request.headers },
      body: request.body,
      signal: until,
    })
    return await answerOf(response, request.responseBytesMax)
  } catch (error) {
    return { kind: state.isConnected ? 'unknown' : 'failed', reason: reasonOf(error, until) }
  } finally {
    // The end of this exchange is known; what becomes of its connection is nobody's concern.
    void client.destroy().catch(() => undefined)
  }
}

const HEADER_BYTES_MAX = 32_768

/** Answers every look-up with the address that the egress list gave. */
function lookupOf(address: string): LookupFunction {
  const family = isIP(address)
  return (_host, options, callback) => {
    if (options.all === true) callback(null, [{ address, family }])
    else callback(null, address, family)
  }
}

async function answerOf(response: Dispatcher.ResponseData, bytesMax: number): Promise<HttpAnswer> {
  const headers = flat(response.headers)
  const encoding = headers['content-encoding']
  if (encoding !== undefined && encoding !== 'identity') {
    return { kind: 'unknown', reason: `The answer is packed as ${encoding}, which was not asked for` }
  }
  const parts: Uint8Array[] = []
  let bytes = 0
  for await (const part of response.body as AsyncIterable<Uint8Array>) {
    bytes += part.byteLength
    if (bytes > bytesMax) return { kind: 'unknown', reason: `The answer is larger than ${bytesMax} bytes` }
    parts.push(part)
  }
  const body = decode(Buffer.concat(parts), headers['content-type'] ?? '')
  if (body === null)
    return { kind: 'unknown', reason: 'The answer is not in the characters that it says it is in' }
  return { kind: 'answered', status: response.statusCode, headers, body }
}

function flat(headers: Dispatcher.ResponseData['headers']): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [
      name,
      Array.isArray(value) ? value.join(', ') : (value ?? ''),
    ]),
  )
}

/** A page is for people and is never read for values; anything else must be exact. */
function decode(bytes: Uint8Array, contentType: string): string | null {
  const charset = /;\s*charset="?([^";\s]+)/i.exec(contentType)?.[1] ?? 'utf-8'
  try {
    return new TextDecoder(charset, { fatal: !/^text\/html\b/i.test(contentType) }).decode(bytes)
  } catch {
    return null
  }
}

/** What went wrong, without the address: its query may hold a credential. */
function reasonOf(error: unknown, until: AbortSignal): string {
  if (until.aborted) {
    const isLate = until.reason instanceof Error && until.reason.name === 'TimeoutError'
    return isLate ? 'No answer in time' : 'The gateway is stopping'
  }
  if (!(error instanceof Error)) return 'The connection failed'
  const code = 'code' in error && typeof error.code === 'string' ? `${error.code}: ` : ''
  return `${code}${error.message}`.replace(/https?:\/\/\S+/g, 'the address')
}
