#include "rcnn/tools/detect_results.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/json_string.h"
#include "rcnn/base/printable.h"
#include "rcnn/base/status_macros.h"

namespace rcnn::tools {
namespace {

using Json = nlohmann::ordered_json;

// A file name may not be UTF-8, but JSON must be.
std::string Line(const Json& json) {
  return PrintableJson(json.dump(-1, ' ', false, Json::error_handler_t::replace));
}

// `"name": [` and a line for each record.
std::string Section(absl::string_view name, const std::vector<std::string>& records) {
  return absl::StrCat("\"", name, "\": [", records.empty() ? "" : "\n  ",
                      absl::StrJoin(records, ",\n  "), records.empty() ? "]" : "\n]");
}

// Hundredths of a pixel.
std::string Pixels(double value) { return absl::StrFormat("%.2f", value); }

struct ClassCount {
  int64_t objects = 0;
  int64_t images = 0;
  double sum = 0;
  double best = 0;
};

void CountImage(const ImageResult& image, double min_score, std::vector<ClassCount>& counts) {
  std::vector<bool> here(counts.size(), false);
  for (const FoundObject& object : image.objects) {
    if (!(object.score > min_score)) continue;
    const auto k = static_cast<size_t>(object.label - 1);
    ClassCount& count = counts[k];
    ++count.objects;
    count.sum += object.score;
    count.best = std::max(count.best, object.score);
    if (!here[k]) ++count.images;
    here[k] = true;
  }
}

std::string CountRow(const NameWidth& width, const std::string& name, const ClassCount& count) {
  const std::string text =
      absl::StrFormat("%s %8d %7d", width.Pad(name), count.objects, count.images);
  if (count.objects == 0) return absl::StrCat(text, "           -        -\n");
  return absl::StrFormat("%s    %8.3f %8.3f\n", text,
                         count.sum / static_cast<double>(count.objects), count.best);
}

std::vector<std::string> PrintableNames(const std::vector<std::string>& names) {
  std::vector<std::string> printable;
  for (const std::string& name : names) printable.push_back(Printable(name));
  return printable;
}

NameWidth Widest(const std::vector<std::string>& names, size_t least) {
  NameWidth width(least);
  for (const std::string& name : names) width.Add(name);
  return width;
}

// "3 cat, 1 dog", the most frequent first.
std::string Counts(const ImageResult& image, const ResultClasses& classes, double min_score) {
  std::vector<ClassCount> counts(classes.names.size());
  CountImage(image, min_score, counts);
  std::vector<size_t> order;
  for (size_t k = 0; k < counts.size(); ++k) {
    if (counts[k].objects > 0) order.push_back(k);
  }
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return counts[a].objects > counts[b].objects; });
  if (order.empty()) return "nothing found";
  return absl::StrJoin(order, ", ", [&](std::string* out, size_t k) {
    absl::StrAppend(out, counts[k].objects, " ", Printable(classes.names[k]));
  });
}

}  // namespace

eval::Detections ToDetections(const std::vector<ImageResult>& images,
                              const ResultClasses& classes) {
  eval::Detections detections;
  for (const ImageResult& image : images) {
    for (const FoundObject& object : image.objects) {
      eval::Detection detection;
      detection.image_id = image.image_id;
      detection.category_id = classes.category_ids[static_cast<size_t>(object.label - 1)];
      detection.box = {object.x1, object.y1, object.x2 - object.x1, object.y2 - object.y1};
      detection.score = object.score;
      detections.Add(detection);
    }
  }
  return detections;
}

std::string ImagesJson(const std::vector<ImageResult>& results, const ResultClasses& classes) {
  std::vector<std::string> images, categories;
  for (const ImageResult& image : results) {
    images.push_back(Line({{"id", image.image_id},
                           {"file_name", image.name},
                           {"width", image.width},
                           {"height", image.height}}));
  }
  for (size_t k = 0; k < classes.names.size(); ++k) {
    categories.push_back(Line({{"id", classes.category_ids[k]}, {"name", classes.names[k]}}));
  }
  return absl::StrCat("{", Section("images", images), ",\n", Section("categories", categories),
                      ",\n", Section("annotations", {}), "}\n");
}

std::string DetectionsCsv(const std::vector<ImageResult>& images, const ResultClasses& classes) {
  std::string csv = "image_id,file,class,score,x1,y1,x2,y2\n";
  for (const ImageResult& image : images) {
    const std::string file = CsvCell(image.name);
    for (const FoundObject& object : image.objects) {
      absl::StrAppend(&csv, image.image_id, ",", file, ",",
                      CsvCell(classes.names[static_cast<size_t>(object.label - 1)]), ",",
                      absl::StrFormat("%.4f", object.score), ",", Pixels(object.x1), ",",
                      Pixels(object.y1), ",", Pixels(object.x2), ",", Pixels(object.y2), "\n");
    }
  }
  return csv;
}

std::string ClassTable(const std::vector<ImageResult>& images, const ResultClasses& classes,
                       double min_score) {
  std::vector<ClassCount> counts(classes.names.size());
  ClassCount all;
  for (const ImageResult& image : images) {
    const int64_t before = all.objects;
    std::vector<ClassCount> here(classes.names.size());
    CountImage(image, min_score, here);
    for (size_t k = 0; k < counts.size(); ++k) {
      for (ClassCount* count : {&counts[k], &all}) {
        count->objects += here[k].objects;
        count->sum += here[k].sum;
        count->best = std::max(count->best, here[k].best);
      }
      counts[k].images += here[k].images;
    }
    if (all.objects > before) ++all.images;
  }
  const std::vector<std::string> names = PrintableNames(classes.names);
  const NameWidth width = Widest(names, 5);
  std::string table =
      absl::StrFormat("%s  objects  images  mean score     best\n", width.Pad("class"));
  for (size_t k = 0; k < counts.size(); ++k) {
    absl::StrAppend(&table, CountRow(width, names[k], counts[k]));
  }
  return absl::StrCat(table, CountRow(width, "all", all));
}

std::string ImageTable(const std::vector<ImageResult>& images, const ResultClasses& classes,
                       double min_score, int64_t max_rows) {
  const auto rows =
      static_cast<size_t>(std::min<int64_t>(max_rows, static_cast<int64_t>(images.size())));
  std::vector<std::string> names;
  for (size_t i = 0; i < rows; ++i) names.push_back(Printable(images[i].name));
  const NameWidth width = Widest(names, 7);
  std::string table = absl::StrFormat("%s  %-11s  objects\n", width.Pad("image"), "pixels");
  for (size_t i = 0; i < rows; ++i) {
    absl::StrAppendFormat(&table, "%s  %-11s  %s\n", width.Pad(names[i]),
                          absl::StrCat(images[i].width, " x ", images[i].height),
                          Counts(images[i], classes, min_score));
  }
  if (rows < images.size()) {
    absl::StrAppend(&table, "and ", images.size() - rows, " more\n");
  }
  return table;
}

absl::Status WriteResults(const std::string& folder, const std::vector<ImageResult>& images,
                          const ResultClasses& classes) {
  const auto write = [&](absl::string_view name, const std::string& text) {
    return WriteFileAtomically(absl::StrCat(folder, "/", name), text).status();
  };
  RCNN_RETURN_IF_ERROR(write("images.json", ImagesJson(images, classes)));
  RCNN_RETURN_IF_ERROR(write("detections.csv", DetectionsCsv(images, classes)));
  return eval::WriteDetections(absl::StrCat(folder, "/detections.json"),
                               ToDetections(images, classes));
}

}  // namespace rcnn::tools
