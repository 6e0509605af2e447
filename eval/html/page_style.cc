#include "rcnn/eval/html/page_style.h"

#include "absl/strings/str_cat.h"
#include "rcnn/eval/html/html_text.h"

namespace rcnn::eval {
namespace {

constexpr absl::string_view kStyle = R"css(
:root{color-scheme:light dark;--bg:#fff;--panel:#f6f7f8;--ink:#1c2128;--soft:#59636e;--rule:#dfe3e7;--grid:#e8ebee;
--accent:#1f6feb;--gt:#0f8a4b;--ok:#1a7f64;--mark:#1c2128;
--e0:#9a3f9f;--e1:#1f6feb;--e2:#7d6a14;--e3:#127d8a;--e4:#b85a00;--e5:#c4314b;--heat:31,111,235}
@media(prefers-color-scheme:dark){:root{--bg:#14171c;--panel:#1c2027;--ink:#e4e8ed;--soft:#9aa5b1;--rule:#333a43;
--grid:#2a3038;--accent:#6ea8fe;--gt:#4cc38a;--ok:#4cc38a;--mark:#e4e8ed;
--e0:#d78bdc;--e1:#6ea8fe;--e2:#cdb85a;--e3:#55c4d3;--e4:#f0a35e;--e5:#ff8095;--heat:110,168,254}}
*{box-sizing:border-box}
html{scroll-behavior:smooth;scroll-padding-top:3.2rem;-webkit-text-size-adjust:100%}
@media(prefers-reduced-motion:reduce){html{scroll-behavior:auto}}
body{margin:0;background:var(--bg);color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",
"Liberation Sans",sans-serif;font-variant-numeric:tabular-nums}
main,header,footer{max-width:1120px;margin:0 auto;padding:0 20px}
header{padding-top:36px}
h1{font-size:1.65rem;line-height:1.25;font-weight:650;letter-spacing:-.01em;margin:0 0 .2rem;overflow-wrap:anywhere}
h2{font-size:1.22rem;font-weight:650;margin:0 0 .5rem}
h3{font-size:1rem;font-weight:600;margin:1.6rem 0 .5rem}
section{padding:30px 0 6px;margin-top:22px;border-top:1px solid var(--rule)}main>section:first-child{border-top:0;margin-top:0}
p{max-width:68ch;margin:.3rem 0 .9rem}
.soft,figcaption .file,.note{color:var(--soft)}
.note{font-size:.875rem}
a{color:var(--accent)}
nav{position:sticky;top:0;z-index:2;background:var(--bg);border-bottom:1px solid var(--rule);margin-top:18px}
nav div{max-width:1120px;margin:0 auto;padding:0 12px;display:flex;overflow-x:auto;scrollbar-width:none}
nav a{padding:10px 8px;color:var(--soft);text-decoration:none;white-space:nowrap;font-size:.9rem}
nav a:hover,nav a:focus-visible{color:var(--ink);text-decoration:underline;text-underline-offset:4px}
.figures{display:flex;flex-wrap:wrap;gap:8px 40px;margin:.6rem 0 1.1rem}
.figures div{min-width:84px}
.figures b{display:block;font-size:2.1rem;line-height:1.15;font-weight:600;letter-spacing:-.02em}
.figures .minor b{font-size:1.35rem;line-height:1.77}
.figures span{color:var(--soft);font-size:.85rem}
.wide{overflow-x:auto;margin:0 -20px;padding:0 20px}
table{border-collapse:separate;border-spacing:0;font-size:.9rem;min-width:100%}
th,td{padding:5px 12px 5px 0;text-align:right;white-space:nowrap;border-bottom:1px solid var(--grid)}
th{font-weight:600;color:var(--soft);vertical-align:bottom;font-size:.82rem}
th:first-child,td:first-child,.left{text-align:left}td.left,th.left{padding-left:18px}
td:first-child{max-width:18rem;overflow:hidden;text-overflow:ellipsis}
.wide th:first-child,.wide td:first-child{position:sticky;left:0;background:var(--bg);box-shadow:-20px 0 var(--bg);z-index:1}
tbody tr:hover,.wide tbody tr:hover>:first-child{background:var(--panel)}
th button{font:inherit;color:inherit;background:none;border:0;padding:0;cursor:pointer}
th button:hover,th[aria-sort] button{color:var(--ink);text-decoration:underline;text-underline-offset:3px}
.tall{max-height:34rem;overflow:auto}
.tall thead th{position:sticky;top:0;background:var(--bg);z-index:2}.tall thead th:first-child{z-index:3}
.bar{display:inline-block;height:9px;border-radius:1px;vertical-align:baseline;min-width:1px}
.track{display:inline-block;width:64px;text-align:left;margin-right:9px}.figure{display:inline-block;min-width:2.9em}
.sw{display:inline-block;width:10px;height:10px;border-radius:2px;margin-right:7px}
.cost{display:grid;grid-template-columns:max-content minmax(60px,1fr) max-content max-content;gap:6px 14px;align-items:center;
max-width:680px;margin:.8rem 0 1rem}
.cost .track2{height:14px}.cost .bar{height:14px;display:block}
.cost .num{text-align:right}
.grid{stroke:var(--grid);stroke-width:1}
.charts{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(300px,100%),1fr));gap:18px 26px}
.charts h3{margin:.2rem 0 .1rem;font-size:.92rem;overflow-wrap:anywhere}
.charts .note{margin:0 0 .2rem}
.two{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(430px,100%),1fr));gap:20px 40px}
svg.chart{width:100%;height:auto;display:block;max-width:520px}
svg text{font:11px system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","Liberation Sans",sans-serif;
font-variant-numeric:tabular-nums}
.tick,.axis{fill:var(--soft)}
.line{fill:none;stroke-width:2;stroke-linejoin:round}.dashed{stroke-dasharray:4 4;stroke-width:1.5}
.mark{fill:var(--bg);stroke:var(--mark);stroke-width:2}
.halo{fill:var(--ink);paint-order:stroke;stroke:var(--bg);stroke-width:4px;stroke-linejoin:round}
.examples{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(216px,46%),1fr));gap:16px 16px;margin-top:12px}
.ex{margin:0;font-size:.84rem;line-height:1.4}
.ex svg{width:100%;height:auto;display:block;border-radius:4px;background:var(--panel)}
.ex figcaption{padding:6px 0 0;overflow-wrap:anywhere}
.ex .file{display:block;font-size:.78rem}
.ground{fill:var(--panel)}
.rim{fill:none;stroke:#000;stroke-opacity:.5;stroke-width:5}.rim.thin{stroke-opacity:.3;stroke-width:2.4}
.box{fill:none;stroke-width:3}
.gt{stroke:#3df58f;stroke-dasharray:7 5}.other{stroke:#fff;stroke-opacity:.8;stroke-width:1}.ok{stroke:#7fd0ff}
.e0{stroke:#f07bf5}.e1{stroke:#4d9bff}.e2{stroke:#ffe14a}.e3{stroke:#2fe0f2}.e4{stroke:#ff9a3d}.e5{stroke:#ff6480;stroke-dasharray:7 5}
.shape{stroke-linecap:round;stroke-linejoin:round}.shape.box{stroke-width:2.2}.shape.rim{stroke-width:4}.shape.rim.thin{stroke-width:2.4}.shape.other{stroke-width:1}
.shape.dots{stroke-width:6;stroke-dasharray:none}.shape.dots.rim{stroke-width:8}.shape.dots.other{stroke-width:3}.shape.dots.thin{stroke-width:5}
.box.area{fill:#fff;fill-opacity:.12;fill-rule:evenodd}
.key{display:flex;flex-wrap:wrap;gap:4px 18px;font-size:.85rem;color:var(--soft);margin:.2rem 0 .6rem}
.key svg{width:26px;height:12px;vertical-align:-1px;margin-right:6px}
.filter{display:none;gap:10px 18px;flex-wrap:wrap;align-items:center;font-size:.9rem;margin:.6rem 0}
.script .filter{display:flex}
select,.filter button{font:inherit;color:var(--ink);background:var(--panel);border:1px solid var(--soft);border-radius:5px;padding:4px 8px;max-width:60vw}
[hidden]{display:none!important}
.matrix td,.matrix th{padding:4px 7px;text-align:center;border-bottom:0}
.matrix th.left{text-align:right;padding-right:10px;max-width:11rem;overflow:hidden;text-overflow:ellipsis}
.matrix thead th{font-weight:400;max-width:6.6rem;overflow:hidden;text-overflow:ellipsis}
.matrix,.fit{min-width:0}.fit td,.fit th{padding-right:26px}
.matrix .diagonal{outline:1px solid var(--soft);outline-offset:-1px}
pre{background:var(--panel);border:1px solid var(--rule);border-radius:6px;padding:12px 14px;overflow-x:auto;font:13px/1.5 ui-monospace,
"SF Mono",Menlo,Consolas,"Liberation Mono",monospace;max-height:30rem}
pre.wrap{white-space:pre-wrap;overflow-wrap:anywhere}pre.wrap span{display:inline-block;max-width:100%}
dl{display:grid;grid-template-columns:max-content 1fr;gap:4px 24px;margin:.4rem 0;font-size:.92rem}
dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}
summary{cursor:pointer;color:var(--accent)}
.better{color:var(--ok)}.worse{color:var(--e5)}
.pair{display:grid;grid-template-columns:1fr 1fr;gap:6px}
footer{padding-top:30px;padding-bottom:50px;color:var(--soft);font-size:.85rem}
@media(max-width:560px){.wide td:first-child,.matrix th.left{max-width:38vw}body{font-size:15px}header{padding-top:24px}.figures{gap:6px 26px}.figures b{font-size:1.75rem}
.cost{grid-template-columns:minmax(0,9.5rem) minmax(30px,1fr) max-content max-content;gap:5px 10px;font-size:.93rem}dl{grid-template-columns:1fr;gap:0}dd{margin-bottom:8px}}
@media print{nav,.filter{display:none}.tall{max-height:none}}
)css";

// Sorting takes data-v of a cell, or its text. The head's buttons are made here: without
// the script they would do nothing.
constexpr absl::string_view kScript = R"js(
(function(){
var root=document.documentElement;root.classList.add('script');
document.querySelectorAll('table.sorts').forEach(function(table){
 var body=table.tBodies[0];
 Array.prototype.forEach.call(table.tHead.rows[0].cells,function(cell,column){
  if(!cell.textContent)return;
  var button=document.createElement('button');button.type='button';
  while(cell.firstChild)button.appendChild(cell.firstChild);
  cell.appendChild(button);
  button.addEventListener('click',function(){
   var down=cell.getAttribute('aria-sort')!=='descending';
   if(column===0)down=cell.getAttribute('aria-sort')==='ascending';
   Array.prototype.forEach.call(table.tHead.rows[0].cells,function(c){c.removeAttribute('aria-sort')});
   cell.setAttribute('aria-sort',down?'descending':'ascending');
   var keyed=Array.prototype.map.call(body.rows,function(row){
    var c=row.cells[column],v=c.getAttribute('data-v');
    return{row:row,key:v===null?c.textContent:v===''?-Infinity:Number(v)}});
   keyed.sort(function(a,b){var o=typeof a.key==='number'?(a.key===b.key?0:a.key<b.key?-1:1):a.key.localeCompare(b.key);return down?-o:o});
   keyed.forEach(function(k){body.appendChild(k.row)});
  });
 });
});
document.querySelectorAll('.filter').forEach(function(filter){
 var grid=document.getElementById(filter.getAttribute('data-for')),
  selects=filter.querySelectorAll('select'),count=filter.querySelector('.count'),more=filter.querySelector('button'),all=false;
 function apply(){
  var shown=0,fitting=0,seen={},chosen=Array.prototype.some.call(selects,function(s){return s.value!==''});
  Array.prototype.forEach.call(grid.children,function(figure){
   var keep=Array.prototype.every.call(selects,function(s){return s.value===''||figure.getAttribute('data-'+s.name)===s.value});
   fitting+=keep;
   if(keep&&!chosen&&!all){var k=figure.getAttribute('data-kind');seen[k]=(seen[k]||0)+1;keep=seen[k]<=8}
   figure.hidden=!keep;shown+=keep;
  });
  count.textContent=shown<fitting?shown+' of '+fitting+' examples':shown+(shown===1?' example':' examples');
  more.hidden=shown===fitting;
 }
 more.addEventListener('click',function(){all=true;apply()});
 Array.prototype.forEach.call(selects,function(s){s.addEventListener('change',apply)});apply();
});
})();
)js";

// No request leaves the page, whatever the names in it hold.
constexpr absl::string_view kPolicy =
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'";

}  // namespace

std::string WrapPage(absl::string_view title, absl::string_view body) {
  return absl::StrCat(
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"",
      kPolicy,
      "\">\n<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
      "<meta name=\"color-scheme\" content=\"light dark\">\n"
      "<link rel=\"icon\" href=\"data:,\">\n<title>",
      EscapeHtml(title), "</title>\n<style>", kStyle, "</style></head>\n<body>\n", body,
      "\n<script>", kScript, "</script>\n</body></html>\n");
}

std::string ErrorColor(int kind) { return absl::StrCat("var(--e", kind, ")"); }

std::string Swatch(absl::string_view color) {
  return absl::StrCat("<i class=\"sw\" style=\"background:", color, "\"></i>");
}

}  // namespace rcnn::eval
