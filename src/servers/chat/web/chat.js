// The page of the chat.
//
// A member's own line is pending until it comes back from the server. If the connection is lost, the page resumes: the
// server sends what was missed, and the lines that are still pending after that are sent again. So no line is lost, and
// none is shown twice. docs/chat-server.md describes the messages.

import {
  Connection, LineInput, Log, Title, connectKeys, describeState, element, showError, showStatus, time,
} from './shell.js';

/** Whether the list of members takes place from the messages, and is closed at first. The style sheet asks the same. */
const narrow = matchMedia('(max-width: 40rem)');

const byId = (id) => document.getElementById(id);
const [nickField, roomField, lineField] = [byId('nick'), byId('room'), byId('line')];
const collator = new Intl.Collator();
const encoder = new TextEncoder();

const title = new Title('Chat');
const log = new Log(byId('scroller'), byId('log'), byId('to-end'));
const input = new LineInput(byId('entry'), lineField, submit);
const connection = new Connection({ open: greet, receive, change });

/** What the page knows of its place on the server. Each log-in begins with a new one. */
let session = newSession('', '');

/** The last event of each room in the log. */
const seen = new Map();

function newSession(nick, room) {
  return {
    nick,
    room,
    /** Resumes the session on another connection. Empty before the entrance. */
    key: '',
    /** The id of the last event. */
    last: 0,
    /** The longest line, in bytes. */
    maxLine: Infinity,
    /** Whether the connection that is open has entered the room. */
    isInside: false,
    /** The last notice, which may say why the connection was closed. */
    notice: '',
    /** Lines without an answer, with their elements. */
    pending: [],
  };
}

// The log-in form.

const BAD_ROOM = 'The name of a room is 1 to 32 letters and digits, and any of _-. after the first.';

function logIn(event) {
  event.preventDefault();
  const [nick, room] = [nickField.value.trim(), roomField.value.trim()];
  showError(nickField, nick === '' ? 'Please choose a nickname.' : '');
  showError(roomField, isRoom(room) ? '' : BAD_ROOM);
  if (nick === '') return nickField.focus();
  if (!isRoom(room)) return roomField.select();
  session = newSession(nick, room);
  connection.open();
}

/** A refused room does not keep the server from taking the nickname, which would enter the first room. */
function isRoom(name) {
  return name === '' || /^[\p{Alphabetic}\p{N}][\p{Alphabetic}\p{N}\p{M}_.-]{0,31}$/u.test(name.normalize('NFKC'));
}

/** The visit is over, by the wish of the user or the server. */
function end(status) {
  log.clear();
  seen.clear();
  byId('pending').replaceChildren();
  showLogin(status);
}

function showLogin(status) {
  connection.close();
  byId('chat').hidden = true;
  byId('login').hidden = false;
  showStatus(status);
  title.name = 'Chat';
  nickField.select();
}

function showChat() {
  if (!byId('chat').hidden) return;
  byId('login').hidden = true;
  byId('chat').hidden = false;
  lineField.focus();
}

// The connection.

function greet() {
  if (session.key !== '') return connection.send(`/resume ${session.key} ${session.last}`);
  if (session.room !== '') connection.send(`/join ${session.room}`);
  connection.send(session.nick);
}

function change(state, seconds) {
  session.isInside = false;
  if (state === 'ended') end(session.notice);
  else showStatus(state === 'open' ? 'Entering …' : describeState(state, seconds));
}

function receive(text) {
  const message = JSON.parse(text);
  const answer = answers[message.type];
  if (answer) answer(message);
  else happen(message);
}

/** What the server answers to this page alone. All other messages are events. */
const answers = { entrance, refused, expired, notice, history };

function entrance(message) {
  session.key = message.key;
  session.last = message.id;
  session.maxLine = message.max_line ?? Infinity;
  if (message.has_gap) addNote('Some messages are missing here.');
  if (message.is_resumed && message.room === session.room) message.history.forEach(show);
  else arrive(message);
  if (message.has_gap) giveBack();
  // Those that were sent before `/join` are on their way.
  if (!session.isInside) for (const { line } of session.pending) connection.send(line);
  session.isInside = true;
  setNick(message.nick);
  members.set(message.members);
  showStatus('Connected');
  showChat();
}

/** The page is in a room that is new to it, or to which it returns after other ones. */
function arrive(message) {
  const { nick, room, history } = message;
  if (!byId('chat').hidden && room !== session.room) addNote('You are in the room ', bdi(room), '.');
  session.nick = nick;
  session.room = room;
  sessionStorage.setItem('room', room);
  title.name = room;
  byId('name').textContent = room;
  const last = seen.get(room);
  for (const event of history) if (!last || isLater(event, last)) show(event);
}

/** Events are ordered by their ids. These begin anew with the server, but its time goes on. */
function isLater(event, last) {
  return event.at > last.at || (event.at === last.at && event.id > last.id);
}

/** The nickname or the room is refused. Only the text says which. */
function refused({ text }) {
  giveBack();
  showLogin('');
  const field = /^(A|The) nickname/.test(text) ? nickField : roomField;
  showError(field, text);
  field.select();
}

/** The server does not know the page any more. */
function expired() {
  Object.assign(session, { key: '', last: 0 });
  addNote('The server has lost this page, so messages may be missing here.');
  giveBack();
  greet();
}

/** Gives the pending lines back to the input, since the server may or may not have passed them on. */
function giveBack() {
  if (session.pending.length === 0) return;
  addNote('Your last lines may not have been seen. They are back in the input.');
  input.restore(session.pending.map(({ line }) => line));
  for (const { item } of session.pending) item.remove();
  session.pending = [];
}

function notice(message) {
  const text = message.text.trimEnd();
  session.notice = text;
  if (session.isInside) add('apart', Date.now(), element(text.includes('\n') ? 'pre' : 'bdi', {}, text));
  else showStatus(text);
}

function history({ events }) {
  const lines = events.map((event) => toLine(event));
  add('apart', Date.now(), 'History', element('ol', { className: 'lines' }, ...lines));
}

// Events of the room.

/** @typedef {{ type: string, id: number, at: number, nick?: string, text?: string }} Event */

/** @param {Event} event */
function happen(event) {
  show(event);
  members.apply(event);
}

function show(event) {
  session.last = Math.max(session.last, event.id);
  if (event.type !== 'tell') seen.set(session.room, event);
  if (isLine(event) && isOwn(event)) session.pending.shift()?.item.remove();
  log.add(toLine(event), event.at);
  if ((isLine(event) || event.type === 'tell' || event.type === 'operator') && !isOwn(event)) title.note();
  if (event.type === 'rename' && isOwn(event)) setNick(event.to);
}

const isLine = ({ type }) => type === 'say' || type === 'act';
const isOwn = (event) => (event.nick ?? event.from) === session.nick;

/** The words for each type of event. */
const words = {
  say: (event) => [name(event.nick), ': ', bdi(event.text)],
  act: (event) => ['* ', name(event.nick), ' ', bdi(event.text)],
  tell: (event) => [...direction(event), ' ', bdi(event.text)],
  join: (event) => [bdi(event.nick), ' has joined.'],
  part: (event) => [bdi(event.nick), ' has left for another room.'],
  leave: (event) => [bdi(event.nick), ' has left.'],
  rename: (event) => [bdi(event.nick), ' is now known as ', bdi(event.to), '.'],
  kick: (event) => [bdi(event.nick), ' was removed by the operator', ...reason(event)],
  operator: (event) => [element('b', {}, 'Operator'), ': ', bdi(event.text)],
  crowd: (event) => [`${event.joins} joined, ${event.leaves} left.`],
  stop: () => ['The server is stopping.'],
};

/** @param {Event} event */
function toLine(event) {
  const isApart = event.type === 'tell' || event.type === 'operator';
  const isNote = !isApart && !isLine(event);
  const className = [isLine(event) && isOwn(event) && 'own', isApart && 'apart', isNote && 'note'];
  const line = element('li', { className: className.filter(Boolean).join(' ') });
  line.append(time(event.at), ' ', ...(words[event.type]?.(event) ?? [event.type]));
  return line;
}

/** An isolated text: its direction of writing does not affect what stands beside it. */
const bdi = (text) => element('bdi', {}, text);

/** The nickname before a line, which is set apart for each reader if it is the own one. */
function name(nick) {
  const mark = nick === session.nick ? [element('span', { className: 'unseen' }, ' (you)')] : [];
  return element('b', {}, bdi(nick), ...mark);
}

function direction({ from, to }) {
  return from === session.nick ? ['You, to ', element('b', {}, bdi(to)), ' alone:'] :
    [element('b', {}, bdi(from)), ', to you alone:'];
}

function reason(event) {
  return event.reason ? [': ', bdi(event.reason)] : ['.'];
}

function add(className, at, ...content) {
  log.add(element('li', { className }, time(at), ' ', ...content), at);
}

function addNote(...content) {
  add('note', Date.now(), ...content);
}

function setNick(nick) {
  session.nick = nick;
  sessionStorage.setItem('nick', nick);
  nickField.value = nick;
}

// The members, in the order of the reader's language.

const members = {
  items: new Map(),

  /** @param {string[]} nicks */
  set(nicks) {
    this.items.clear();
    byId('nicks').replaceChildren();
    this.change(nicks, []);
  },

  /** @param {Event} event */
  apply(event) {
    switch (event.type) {
      case 'join':
        return this.change([event.nick], []);
      case 'part':
      case 'leave':
      case 'kick':
        return this.change([], [event.nick]);
      case 'rename':
        return this.change([event.to], [event.nick]);
      case 'crowd':
        return this.change(event.joined, event.left);
    }
  },

  change(joined, left) {
    for (const nick of left) this.remove(nick);
    for (const nick of joined) this.insert(nick);
    const count = this.items.size;
    byId('count').textContent = count === 1 ? '1 member' : `${count} members`;
  },

  insert(nick) {
    if (this.items.has(nick)) return;
    const item = element('li', {}, bdi(nick));
    if (nick === session.nick) item.append(' (you)');
    this.items.set(nick, item);
    byId('nicks').insertBefore(item, this.after(nick));
  },

  remove(nick) {
    this.items.get(nick)?.remove();
    this.items.delete(nick);
  },

  /** Finds the item before which a nickname belongs, by halves. */
  after(nick) {
    const items = byId('nicks').children;
    let [low, high] = [0, items.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (collator.compare(items[middle].firstChild.textContent, nick) < 0) low = middle + 1;
      else high = middle;
    }
    return items[low] ?? null;
  },
};

// The input line.

/** Sends a line, or returns why it cannot be sent. */
function submit(line) {
  const size = encoder.encode(line).length;
  if (size > session.maxLine) return `This line has ${size} bytes, and at most ${session.maxLine} can be sent.`;
  // A line waits for the connection. A command does not: its effect may be another one by then.
  if (isForRoom(line)) wait(line);
  else if (!session.isInside) return 'There is no connection yet.';
  if (session.isInside) connection.send(line);
  log.follow();
  return '';
}

/** Whether the server passes this line on to the room, and so back to this page. */
function isForRoom(line) {
  return !line.startsWith('/') || line.startsWith('//') || /^\/me[ \t]+\S/.test(line);
}

function wait(line) {
  const item = element('li', { className: 'own pending' }, bdi(line), ' …');
  byId('pending').append(item);
  session.pending.push({ line, item });
}

// The page.

nickField.value = sessionStorage.getItem('nick') ?? '';
roomField.value = sessionStorage.getItem('room') ?? '';
byId('login-form').addEventListener('submit', logIn);
byId('leave').addEventListener('click', () => connection.send('/quit') || end(''));
byId('to-end').addEventListener('click', () => lineField.focus());
byId('members').open = !narrow.matches;
narrow.addEventListener('change', () => {
  byId('members').open = !narrow.matches;
});
connectKeys(lineField, log);
nickField.select();
