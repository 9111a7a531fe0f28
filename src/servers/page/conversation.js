// A conversation of two: each line goes to the server, and the server's answers are shown.

import { Connection, LineInput, Log, Title, connectKeys, describeState, element, showStatus, time } from './shell.js';

/**
 * Connects the elements of the page. Returns the function that says a line, which returns why it cannot be sent, or an
 * empty text.
 *
 * @param {string} name of the server, as it appears beside its answers
 * @param {(answer: string) => void} [hear] gets each answer, too
 * @returns {(line: string) => string}
 */
export function converse(name, hear = () => {}) {
  const [field, again] = [document.getElementById('line'), document.getElementById('again')];
  const toEnd = document.getElementById('to-end');
  const log = new Log(document.getElementById('scroller'), document.getElementById('log'), toEnd);
  const title = new Title(document.title);
  let isOpen = false;
  let isLost = false;

  const add = (className, ...content) => {
    log.add(element('li', { className }, time(Date.now()), ' ', ...content));
  };

  const connection = new Connection({
    open() {},

    receive(text) {
      add('', element('b', {}, name), ': ', element(text.includes('\n') ? 'pre' : 'bdi', {}, text));
      title.note();
      hear(text);
    },

    change(state, seconds) {
      if (isLost && state === 'open') add('note', 'The connection was lost. This is a new one.');
      isLost = state === 'waiting' || (isLost && state !== 'open');
      isOpen = state === 'open';
      again.hidden = state !== 'ended';
      showStatus(describeState(state, seconds));
    },
  });

  const say = (line) => {
    if (!isOpen) return 'There is no connection.';
    add('own', element('b', {}, 'You'), ': ', element('bdi', {}, line));
    connection.send(line);
    log.follow();
    return '';
  };

  new LineInput(document.getElementById('entry'), field, say);
  connectKeys(field, log);
  again.addEventListener('click', () => {
    connection.open();
    field.focus();
  });
  toEnd.addEventListener('click', () => field.focus());
  connection.open();
  field.focus();
  return say;
}
