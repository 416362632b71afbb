/**
 * Markdown as DingTalk shows it in a bubble: headings, paragraphs, lists, quotes, bold, italics, code and links. Gives
 * plain data and no markup, so nothing in a message can become anything but what is named here.
 *
 * Block: `{kind: 'heading', level, inline}`, `{kind: 'paragraph' | 'quote', inline}` or `{kind: 'list', ordered,
 * items}`. Inline: `{kind: 'text' | 'code', text}`, `{kind: 'break'}`, `{kind: 'bold' | 'italic', inline}`,
 * `{kind: 'link', href, inline}` or `{kind: 'image', href, text}`.
 *
 * @param {string} source
 */
export function parseMarkdown(source) {
  const blocks = []
  let lines = []
  const flush = () => {
    if (lines.length > 0) blocks.push({ kind: 'paragraph', inline: parseInline(lines.join('\n')) })
    lines = []
  }
  for (const line of source.replace(/\r\n?/g, '\n').split('\n')) {
    const block = blockOf(line)
    if (block === null) {
      if (line.trim() === '') flush()
      else lines.push(line)
      continue
    }
    flush()
    const last = blocks.at(-1)
    if (block.kind === 'list' && last?.kind === 'list' && last.ordered === block.ordered)
      last.items.push(...block.items)
    else blocks.push(block)
  }
  flush()
  return blocks
}

function blockOf(line) {
  const heading = /^(#{1,6})\s+(.*)$/.exec(line)
  if (heading) return { kind: 'heading', level: heading[1].length, inline: parseInline(heading[2]) }
  const quote = /^>\s?(.*)$/.exec(line)
  if (quote) return { kind: 'quote', inline: parseInline(quote[1]) }
  const bullet = /^\s*[-*+]\s+(.*)$/.exec(line)
  if (bullet) return { kind: 'list', ordered: false, items: [parseInline(bullet[1])] }
  const number = /^\s*\d+[.)]\s+(.*)$/.exec(line)
  if (number) return { kind: 'list', ordered: true, items: [parseInline(number[1])] }
  return null
}

const RULES = [
  { at: /^\\([!-/:-@[-`{-~])/, make: (match) => ({ kind: 'text', text: match[1] }) },
  { at: /^&(amp|lt|gt|quot|nbsp);/, make: (match) => ({ kind: 'text', text: ENTITIES[match[1]] }) },
  {
    at: /^!\[([^\]\n]*)\]\(([^)\s]+)\)/,
    make: (match) => ({ kind: 'image', text: match[1], href: match[2] }),
  },
  {
    at: /^\[((?:\\.|[^\]\\\n])*)\]\(([^)\s]+)\)/,
    make: (match) => ({ kind: 'link', href: match[2], inline: parseInline(match[1]) }),
  },
  {
    at: /^(https?:\/\/[^\s<>)\]]+)/,
    make: (match) => ({ kind: 'link', href: match[1], inline: [{ kind: 'text', text: match[1] }] }),
  },
  { at: /^`([^`\n]+)`/, make: (match) => ({ kind: 'code', text: match[1] }) },
  { at: /^\*\*((?:\\.|[^\\\n])+?)\*\*/, make: (match) => ({ kind: 'bold', inline: parseInline(match[1]) }) },
  { at: /^__((?:\\.|[^\\\n])+?)__/, make: (match) => ({ kind: 'bold', inline: parseInline(match[1]) }) },
  { at: /^\*((?:\\.|[^*\\\n])+?)\*/, make: (match) => ({ kind: 'italic', inline: parseInline(match[1]) }) },
  { at: /^ {2,}\n/, make: () => ({ kind: 'break' }) },
]

const ENTITIES = { amp: '&', lt: '<', gt: '>', quot: '"', nbsp: '\u00A0' }

function parseInline(source) {
  const inline = []
  const text = (piece) => {
    const last = inline.at(-1)
    if (last?.kind === 'text') last.text += piece
    else inline.push({ kind: 'text', text: piece })
  }
  let at = 0
  while (at < source.length) {
    const rest = source.slice(at)
    const found = RULES.map((rule) => ({ rule, match: rule.at.exec(rest) })).find(
      ({ match }) => match !== null,
    )
    if (found === undefined) {
      // A single line break is a space, as in DingTalk.
      const plain = /^[^\\&![`*_h \n]+/.exec(rest)?.[0] ?? rest.charAt(0)
      text(plain === '\n' ? ' ' : plain)
      at += plain.length
      continue
    }
    const piece = found.rule.make(found.match)
    if (piece.kind === 'text') text(piece.text)
    else inline.push(piece)
    at += found.match[0].length
  }
  return inline
}
