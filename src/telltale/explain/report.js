(function () {
  'use strict';

  // Pictures and charts open large.
  var large = document.getElementById('large'), frame = document.getElementById('frame');
  var about = document.getElementById('about'), group = [], place = 0;

  function words(button) {
    var figure = button.closest('figure, .card'), text = button.dataset.about;
    var caption = figure && figure.querySelector('figcaption, h3');
    return text || (caption ? caption.textContent : '');
  }

  function show(number) {
    place = (number + group.length) % group.length;
    var button = group[place], drawn = button.querySelector('img, svg').cloneNode(true);
    drawn.removeAttribute('loading');
    drawn.removeAttribute('width');
    drawn.removeAttribute('height');
    frame.replaceChildren(drawn);
    about.textContent = words(button);
    var keys = button.closest('.sweep') && button.closest('.sweep').querySelector('.keys');
    if (keys) {
      keys.querySelectorAll('.key').forEach(function (key) {
        var name = document.createElement('span');
        name.append(key.cloneNode(), key.nextSibling.textContent);
        about.append(' ', name);
      });
    }
    document.getElementById('place').textContent = group.length > 1 ? (place + 1) + ' of ' + group.length : '';
    document.getElementById('steps').hidden = group.length < 2;
    if (!large.open) { large.showModal(); }
  }

  function opened(button) {
    var section = button.closest('[data-group]');
    group = section ? Array.from(section.querySelectorAll('button.open')) : [button];
    show(group.indexOf(button));
  }

  document.addEventListener('click', function (event) {
    var button = event.target.closest('button.open');
    if (button) { opened(button); }
    if (event.target === large) { large.close(); }
  });
  document.getElementById('close').addEventListener('click', function () { large.close(); });
  document.getElementById('back').addEventListener('click', function () { show(place - 1); });
  document.getElementById('on').addEventListener('click', function () { show(place + 1); });
  // A sheet of many patches is wider than a phone: at its actual size it scrolls.
  document.getElementById('actual').addEventListener('click', function (event) {
    var isActual = frame.classList.toggle('actual');
    event.target.setAttribute('aria-pressed', String(isActual));
  });
  large.addEventListener('keydown', function (event) {
    if (frame.classList.contains('actual') && document.activeElement === frame) { return; }
    if (event.key === 'ArrowLeft') { show(place - 1); }
    if (event.key === 'ArrowRight') { show(place + 1); }
  });
  // What was opened is focused again where it still is; the copy of the picture is dropped.
  large.addEventListener('close', function () { frame.replaceChildren(); });

  // Curves of one detector are shown and hidden together.
  document.addEventListener('change', function (event) {
    var number = event.target.dataset.model, sweep = event.target.closest('.sweep');
    if (!sweep || number === undefined) { return; }
    sweep.querySelectorAll('g[data-model="' + number + '"]').forEach(function (curves) {
      curves.toggleAttribute('hidden', !event.target.checked);
    });
  });

  // The verdicts.
  var island = document.getElementById('rows');
  if (!island) { return; }
  var rows = JSON.parse(island.textContent), count = rows.path.length, order = [], sizes = [50, 200, 1000];
  var at = 0, size = sizes[0], sorted = null, falling = true, wrong = new Set(rows.wrong);
  var compare = new Intl.Collator(undefined, { numeric: true }).compare;
  var heads = [];

  function word(name) {
    var column = rows.words[name], each = column.names.length > 1 || column.names[0] !== '(unknown)';
    if (!each) { return; }
    heads.push({
      title: name,
      key: function (row) { return column.names[column.of[row]]; },
      fill: function (cell, row) {
        cell.textContent = column.names[column.of[row]];
        if (name === 'verdict') {
          cell.className = { 'likely generated': 'fake', 'likely real': 'real' }[cell.textContent] || '';
          if (wrong.has(row)) { small(cell, 'contradicts the label'); }
        }
      }
    });
  }

  function small(cell, text) {
    var part = document.createElement('small');
    part.textContent = text;
    cell.append(' ', part);
  }

  function number(title, values, more) {
    if (values.every(function (value) { return value === null; })) { return; }
    heads.push({
      title: title, isNumber: true,
      key: function (row) { return values[row]; },
      fill: function (cell, row) {
        if (values[row] === null) { return; }
        cell.textContent = values[row].toFixed(3);
        if (more) { more(cell, row); }
      }
    });
  }

  function where(cell, row) {
    var found = rows.window[row], shape = rows.shape[row];
    if (!found) { return; }
    var text = 'x ' + found[0] + '–' + (found[0] + found[2]) + ', y ' + found[1] + '–' + (found[1] + found[3]);
    if (shape) {
      var up = (found[1] + found[3] / 2) / shape[0], across = (found[0] + found[2] / 2) / shape[1];
      var names = [['upper left', 'upper', 'upper right'], ['left', 'middle', 'right'],
        ['lower left', 'lower', 'lower right']];
      text += ', ' + names[Math.min(2, Math.floor(3 * up))][Math.min(2, Math.floor(3 * across))];
    }
    small(cell, text);
  }

  function thumbnail(cell, row) {
    var number = rows.picture[row];
    if (number === undefined) { return; }
    var original = document.querySelector('#picture-' + number + ' button.open');
    var button = document.createElement('button'), image = document.createElement('img');
    button.type = 'button';
    button.className = 'thumbnail';
    button.setAttribute('aria-label', 'Open ' + rows.path[row] + ' large');
    image.src = original.querySelector('img').src;
    image.alt = '';
    button.append(image);
    button.addEventListener('click', function () { opened(original); });
    cell.append(button);
  }

  if (Object.keys(rows.picture).length) {
    heads.push({
      title: 'picture', fill: thumbnail,
      key: function (row) { return row in rows.picture ? -rows.picture[row] : null; }
    });
  }
  heads.push({
    title: 'path', isPath: true,
    key: function (row) { return rows.path[row]; },
    fill: function (cell, row) {
      cell.textContent = rows.path[row];
      if (row in rows.error) { small(cell, rows.error[row]); }
    }
  });
  word('verdict');
  number('probability', rows.probability);
  word('source');
  word('label');
  number('score', rows.score);
  number('strongest patch', rows.strongest, where);
  if (rows.words.detector.names.length > 1) { word('detector'); }

  var table = document.getElementById('verdict-table'), head = table.tHead.insertRow();
  heads.forEach(function (column) {
    var cell = document.createElement('th'), button = document.createElement('button');
    cell.scope = 'col';
    cell.className = column.isNumber ? 'number' : '';
    button.type = 'button';
    button.textContent = column.title;
    button.addEventListener('click', function () {
      falling = sorted === column ? !falling : Boolean(column.isNumber) || column.title === 'picture';
      sorted = column;
      Array.from(head.cells).forEach(function (other) { other.removeAttribute('aria-sort'); });
      cell.setAttribute('aria-sort', falling ? 'descending' : 'ascending');
      draw(true);
    });
    cell.append(button);
    head.append(cell);
  });

  // Filters: words of a column, text, and whether the verdict is right.
  var form = document.getElementById('filters'), find = document.getElementById('find'), chosen = {};

  function choice(title, options, id) {
    var label = document.createElement('label'), select = document.createElement('select');
    select.id = id;
    options.forEach(function (option, value) { select.add(new Option(option, value - 1)); });
    select.addEventListener('change', function () { chosen[title] = Number(select.value); draw(true); });
    label.append(title + ' ', select);
    form.prepend(label);
  }

  ['detector', 'source', 'label', 'verdict'].forEach(function (name) {
    var names = rows.words[name].names;
    if (names.length > 1) { choice(name, ['all'].concat(names), 'filter-' + name); }
  });
  if (wrong.size) { choice('right?', ['all', 'contradicts the label'], 'filter-wrong'); }
  form.addEventListener('submit', function (event) { event.preventDefault(); });
  find.addEventListener('input', function () { draw(true); });

  function passes(row) {
    var text = find.value.trim().toLowerCase();
    if (text && !(rows.path[row] + ' ' + (rows.error[row] || '')).toLowerCase().includes(text)) { return false; }
    if (chosen['right?'] === 0 && !wrong.has(row)) { return false; }
    return Object.keys(rows.words).every(function (name) {
      return !(chosen[name] >= 0) || rows.words[name].of[row] === chosen[name];
    });
  }

  function arranged() {
    order = [];
    for (var row = 0; row < count; row += 1) { if (passes(row)) { order.push(row); } }
    if (!sorted) { return; }
    var keys = new Map(order.map(function (row) { return [row, sorted.key(row)]; }));
    order.sort(function (one, other) {
      var x = keys.get(one), y = keys.get(other);
      if (x === null || y === null) { return (x === null) - (y === null) || one - other; }
      var found = typeof x === 'number' ? x - y : compare(x, y);
      return (falling ? -found : found) || one - other;
    });
  }

  function draw(isNew) {
    if (isNew) { at = 0; arranged(); }
    var body = document.createElement('tbody');
    order.slice(at, at + size).forEach(function (row) {
      var line = body.insertRow();
      heads.forEach(function (column) {
        var cell = line.insertCell();
        if (column.isNumber) { cell.className = 'number'; }
        if (column.isPath) { cell.className = 'path'; }
        column.fill(cell, row);
      });
    });
    table.tBodies[0].replaceWith(body);
    var last = Math.min(at + size, order.length), text = order.length ? (at + 1) + ' to ' + last : '0';
    document.getElementById('shown').textContent = 'Rows ' + text + ' of ' + order.length.toLocaleString('en') +
      (order.length < count ? ' that fit, of ' + count.toLocaleString('en') : '');
    steps(last);
  }

  function step(text, isOff, act) {
    var button = document.createElement('button');
    button.type = 'button';
    button.textContent = text;
    button.disabled = isOff;
    button.addEventListener('click', act);
    return button;
  }

  function steps(last) {
    var pages = document.getElementById('pages'), select = document.createElement('select');
    var label = document.createElement('label');
    pages.replaceChildren();
    if (count <= sizes[0]) { return; }
    sizes.forEach(function (one) { select.add(new Option(one, one, false, one === size)); });
    select.addEventListener('change', function () { size = Number(select.value); at = 0; draw(false); });
    label.append(select, ' rows at a time');
    pages.append(
      step('Back', at === 0, function () { at = Math.max(0, at - size); draw(false); }), ' ',
      step('On', last >= order.length, function () { at += size; draw(false); }), ' ', label
    );
  }

  draw(true);
}());
