<!DOCTYPE html>
<title>Hello</title>
<p>Hello, <?= htmlspecialchars($_GET["name"] ?? "world") ?>, from PHP
