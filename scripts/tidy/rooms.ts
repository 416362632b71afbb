import { builtinModules } from 'node:module'
import { posix } from 'node:path'
import { type Finding, finding, type Import, importsOf, type Source } from './source.ts'

/**
 * Files that may touch the world: port implementations, the two that wire them, and an adapter's own driver. All
 * others take time, randomness and I/O as arguments, or the simulation proves nothing.
 */
export function isDriver(path: string): boolean {
  return DRIVERS.some((pattern) => pattern.test(path))
}

const DRIVERS = [
  /^gateway\/(main|worker)\.ts$/,
  /^gateway\/cli\/erpgw\.mjs$/,
  /^gateway\/node\//,
  /^gateway\/log\/embedded[^/]*\.ts$/,
  /^gateway\/log\/embedded\//,
  /^gateway\/log\/kafka(\/|\.ts$)/,
  /^adapters\/[^/]+\/(.*\/)?([^/]+-)?driver\.ts$/,
  // Drivers that are named after what they reach.
  /^adapters\/file-drop\/(folder|sftp|ftp)\.ts$/,
]

/** Implementations of ports; `main.ts`, `worker.ts` and each other are all that may import them. */
const PORT_IMPLEMENTATIONS = [/^gateway\/node\//, /^gateway\/log\/(embedded|memory|kafka)/]

/** What `gateway/` may know of `adapters/`. */
const GATEWAY_DOOR = [
  'adapters/registry.ts',
  'adapters/contract.ts',
  'adapters/errors.ts',
  'adapters/cursor.ts',
  'adapters/shared/settings.ts',
]

/** What an adapter may know outside its own folder and `adapters/shared/`. */
const ADAPTER_DOOR = ['adapters/contract.ts', 'adapters/errors.ts', 'adapters/cursor.ts']

/** Clients of ERPs' own protocols, native or heavy: loaded only when a source needs one. */
const DRIVER_PACKAGES = [
  ...['pg', 'oracledb', 'mssql', 'tedious', 'mysql2', 'node-rfc'],
  ...['ssh2', 'ssh2-sftp-client', 'basic-ftp', 'soap'],
]

/** Node's modules that neither tell time, nor draw lots, nor leave the process. */
const PURE_BUILTINS = [
  ...['assert', 'assert/strict', 'async_hooks', 'buffer', 'crypto', 'diagnostics_channel', 'events', 'path'],
  ...['path/posix', 'stream', 'stream/promises', 'string_decoder', 'url', 'util', 'zlib'],
]

/** The import rules of ARCHITECTURE.md, "Who may import whom", for one file. */
export function checkImports(source: Source): readonly Finding[] {
  const imports = importsOf(source)
  const refused = imports.flatMap((imported) => {
    const message = refusal(source.path, imported)
    return message === null ? [] : [finding(source, imported.start, message)]
  })
  return [...refused, ...computedImports(source)]
}

function refusal(path: string, imported: Import): string | null {
  const { specifier } = imported
  if (specifier.startsWith('.')) return refuseFile(path, posix.join(posix.dirname(path), specifier))
  return isBuiltin(specifier) ? refuseBuiltin(path, imported) : refusePackage(path, imported)
}

/** Rules between files; `target` is a path from the root. */
function refuseFile(path: string, target: string): string | null {
  const [from, to] = [roomOf(path), roomOf(target)]
  if (from === 'schemas') return `imports ${target}; schemas/ is data and imports nothing`
  if (to === 'test' && from !== 'test' && from !== 'scripts' && path !== 'vitest.config.ts') {
    return `imports ${target}; nothing but tests and scripts may import test/`
  }
  if (to === 'scripts' && from !== 'test' && from !== 'scripts') {
    return `imports ${target}; the product may not depend on scripts/, move what it needs into a room`
  }
  if (from === 'gateway') return refuseFromGateway(path, target)
  return from === 'adapters' ? refuseFromAdapter(path, target) : null
}

function refuseFromGateway(path: string, target: string): string | null {
  if (roomOf(target) === 'adapters' && !GATEWAY_DOOR.includes(target)) {
    return `imports ${target}; gateway/ reaches adapters through adapters/registry.ts alone`
  }
  const isPort = PORT_IMPLEMENTATIONS.some((pattern) => pattern.test(target))
  const mayWire = isDriver(path) || PORT_IMPLEMENTATIONS.some((pattern) => pattern.test(path))
  if (isPort && !mayWire) {
    return `imports ${target}, a port's implementation; take the port as an argument, main.ts wires it`
  }
  return null
}

function refuseFromAdapter(path: string, target: string): string | null {
  if (roomOf(target) !== 'adapters')
    return `imports ${target}; an adapter knows its contract, not ${roomOf(target)}/`
  if (path === 'adapters/registry.ts' || ADAPTER_DOOR.includes(target)) return null
  const own = adapterOf(path)
  const theirs = adapterOf(target)
  if (theirs === 'shared' || (own !== null && own === theirs)) return null
  if (theirs === null)
    return `imports ${target}; an adapter may import ${ADAPTER_DOOR.join(', ')} and shared/`
  return `imports ${target}, another adapter; what two adapters need lives in adapters/shared/`
}

function refuseBuiltin(path: string, { specifier, names }: Import): string | null {
  const name = specifier.replace(/^node:/, '')
  if (!isProduct(path) || isDriver(path)) return null
  if (!PURE_BUILTINS.includes(name)) {
    return `imports node:${name} outside a driver; take what you need of it as an argument (Runtime, Ports, transport)`
  }
  const random = names?.find((imported) => /^random|^generate|^webcrypto$/.test(imported))
  if (name === 'crypto' && random !== undefined) {
    return `imports ${random} of node:crypto; take randomness from Runtime (bytes, uuid, float)`
  }
  return null
}

function refusePackage(path: string, { specifier, kind }: Import): string | null {
  const name = DRIVER_PACKAGES.find((known) => specifier === known || specifier.startsWith(`${known}/`))
  if (name === undefined || !isProduct(path) || kind === 'type') return null
  if (roomOf(path) === 'gateway') return `imports ${name}; only an adapter's driver may`
  if (!isDriver(path)) {
    return `imports ${name}; only the adapter's driver file may (driver.ts, …-driver.ts), so that tests can replace it`
  }
  if (kind === 'static') {
    return `imports ${name} at once; use await import('${name}'), so that a library that fails to load stops one source`
  }
  return null
}

/** `import(name)`: where it leads cannot be checked. */
function computedImports(source: Source): readonly Finding[] {
  if (!isProduct(source.path) || isDriver(source.path)) return []
  const known = new Set(importsOf(source).map((imported) => imported.start))
  return source.nodes.flatMap(({ node }) =>
    node.type === 'ImportExpression' && !known.has(node.start)
      ? [
          finding(
            source,
            node.start,
            'imports a computed name; name the module, or nobody can check the import rules',
          ),
        ]
      : [],
  )
}

/** Whether a file is part of what users run. */
export function isProduct(path: string): boolean {
  return ['adapters', 'gateway', 'schemas'].includes(roomOf(path))
}

function roomOf(path: string): string {
  return path.split('/')[0] ?? ''
}

/** `soap` of `adapters/soap/wsdl.ts`; null for files directly under adapters/. */
function adapterOf(path: string): string | null {
  const parts = path.split('/')
  return parts.length > 2 ? (parts[1] ?? null) : null
}

function isBuiltin(specifier: string): boolean {
  return specifier.startsWith('node:') || builtinModules.includes(specifier)
}
