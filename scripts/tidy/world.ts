import type { Node } from 'oxc-parser'
import { isDriver, isProduct } from './rooms.ts'
import { type Finding, finding, memberName, type Source, type Visited } from './source.ts'

/** Globals that reach the world, and what to take instead. */
const GLOBALS: Readonly<Record<string, string>> = {
  process: 'main.ts alone touches the process; take the setting as an argument',
  fetch: 'take Ports.http',
  WebSocket: 'take a socket port',
  EventSource: 'take a port',
  setTimeout: 'take Runtime.sleep or Runtime.deadline',
  setInterval: 'take Runtime.sleep in a task',
  setImmediate: 'take Runtime.sleep',
  performance: 'take Runtime.mono',
  console: 'take the Logger, or print through an argument',
  globalThis: 'name what you want of it',
}

/** Members of globals that tell time or draw lots. */
const MEMBERS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  Date: { now: 'take Runtime.wall' },
  Math: { random: 'take Runtime.float' },
  AbortSignal: { timeout: 'take Runtime.deadline' },
  crypto: {
    randomUUID: 'take Runtime.uuid',
    getRandomValues: 'take Runtime.bytes',
    subtle: 'use node:crypto, which is synchronous',
  },
}

/** Methods of Date, numbers and strings that read the machine's time zone or language. */
const LOCAL_METHODS =
  /^(get|set)(FullYear|Month|Date|Day|Hours|Minutes|Seconds|Milliseconds)$|^getTimezoneOffset$/
const LOCALE_METHODS = ['toLocaleString', 'toLocaleDateString', 'toLocaleTimeString']

/** Time, randomness, I/O and the machine's own zone come in as arguments; only drivers reach for them. */
export function checkWorld(source: Source): readonly Finding[] {
  if (!isProduct(source.path) || isDriver(source.path)) return []
  const declared = declaredNames(source)
  return source.nodes.flatMap((visited) => {
    const message = globalUse(visited, declared) ?? memberUse(visited.node, declared) ?? zoneUse(visited.node)
    return message === null ? [] : [finding(source, visited.node.start, message)]
  })
}

function globalUse({ node, ancestors }: Visited, declared: ReadonlySet<string>): string | null {
  if (node.type !== 'Identifier' || declared.has(node.name)) return null
  const advice = Object.hasOwn(GLOBALS, node.name) ? GLOBALS[node.name] : undefined
  return advice !== undefined && isReference(node, ancestors) ? `uses ${node.name}; ${advice}` : null
}

function memberUse(node: Node, declared: ReadonlySet<string>): string | null {
  if (node.type !== 'MemberExpression' || node.object.type !== 'Identifier') return null
  const owner = node.object.name
  const name = memberName(node)
  if (name === null || declared.has(owner) || !Object.hasOwn(MEMBERS, owner)) return null
  const advice = MEMBERS[owner]?.[name]
  return advice === undefined ? null : `uses ${owner}.${name}; ${advice}`
}

function zoneUse(node: Node): string | null {
  if (node.type === 'NewExpression' && isNamed(node.callee, 'Date')) {
    if (node.arguments.length === 0) return 'makes a Date of the present; take Runtime.wall'
    return node.arguments.length > 1
      ? 'makes a Date of parts in the machine’s own time zone; use Date.UTC, or keep local date-times as text'
      : null
  }
  if (node.type !== 'CallExpression' && node.type !== 'NewExpression') return null
  if (isNamed(node.callee, 'Date')) return 'makes the text of the present; take Runtime.wall'
  const name = memberName(node.callee)
  if (name === null) return null
  if (LOCAL_METHODS.test(name))
    return `uses ${name}, which is in the machine’s own time zone; use the UTC one`
  if (LOCALE_METHODS.includes(name)) {
    return `uses ${name}, which depends on the machine; use Intl with a language and a timeZone`
  }
  if (name === 'localeCompare' && node.arguments.length < 2) {
    return 'uses localeCompare without a language; compare bytewise, or name the language'
  }
  const isFormat = name === 'DateTimeFormat' && node.callee.type === 'MemberExpression'
  return isFormat && !namesZone(node.arguments[1])
    ? 'uses Intl.DateTimeFormat without a timeZone, and so the machine’s; name one'
    : null
}

/** Options that are not written out here are believed: their own place is checked. */
function namesZone(options: Node | undefined): boolean {
  if (options === undefined) return false
  if (options.type !== 'ObjectExpression') return true
  return options.properties.some(
    (property) =>
      property.type === 'SpreadElement' ||
      (property.key.type === 'Identifier' && property.key.name === 'timeZone'),
  )
}

function isNamed(node: Node, name: string): boolean {
  return node.type === 'Identifier' && node.name === name
}

/** Names that the file declares itself: a parameter called `process` is not the global. */
function declaredNames(source: Source): ReadonlySet<string> {
  const names = new Set<string>()
  for (const { node, ancestors } of source.nodes) {
    if (node.type === 'Identifier' && isBinding(node, ancestors)) names.add(node.name)
  }
  return names
}

function isBinding(node: Node, ancestors: readonly Node[]): boolean {
  const parent = ancestors.at(-1)
  switch (parent?.type) {
    case 'VariableDeclarator':
    case 'ClassDeclaration':
      return parent.id === node
    case 'FunctionDeclaration':
    case 'FunctionExpression':
      return parent.id === node || parent.params.some((parameter) => parameter === node)
    case 'ArrowFunctionExpression':
      return parent.params.some((parameter) => parameter === node)
    case 'ImportSpecifier':
    case 'ImportDefaultSpecifier':
    case 'ImportNamespaceSpecifier':
      return parent.local === node
    case 'CatchClause':
      return parent.param === node
    case 'ArrayPattern':
    case 'RestElement':
      return true
    case 'AssignmentPattern':
      return parent.left === node
    case 'Property':
      return parent.value === node && ancestors.at(-2)?.type === 'ObjectPattern'
    default:
      return false
  }
}

/** Whether an identifier reads a value: not a name behind a dot, a key, or part of a type. */
function isReference(node: Node, ancestors: readonly Node[]): boolean {
  const parent = ancestors.at(-1)
  if (parent === undefined) return false
  switch (parent.type) {
    case 'MemberExpression':
      return parent.object === node || parent.computed
    case 'Property':
      return parent.value === node || parent.computed
    case 'MethodDefinition':
    case 'PropertyDefinition':
      return parent.key !== node || parent.computed
    case 'ImportSpecifier':
    case 'ExportSpecifier':
      return false
    case 'TSAsExpression':
    case 'TSSatisfiesExpression':
      return parent.expression === node
    default:
      return !parent.type.startsWith('TS')
  }
}
