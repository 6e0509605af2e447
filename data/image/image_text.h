// Draws text on images: captions, and the labels of boxes.
//
// OpenCV's fonts have the characters of ASCII only. Latin letters are drawn without their
// marks, everything else as '?'.
//
// Example:
//   LabelPlates plates(canvas, 20);
//   plates.Draw({40, 30, 90, 60}, DrawableName(name, 3), yellow, black);

#ifndef RCNN_DATA_IMAGE_IMAGE_TEXT_H_
#define RCNN_DATA_IMAGE_IMAGE_TEXT_H_

#include <cstdint>
#include <opencv2/core.hpp>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace rcnn::data {

// Returns what is drawn of UTF-8 text: letters of Latin-1 and Latin Extended-A without their
// marks ("Grosse" for "Größe"), combining marks not at all, and one '?' for each other code
// point or control character that is not in ASCII.
std::string DrawableText(absl::string_view text);

// The same of a class's name; "class 7", with its number, if no letter or digit of the name
// can be drawn, as in Chinese.
std::string DrawableName(absl::string_view name, int64_t number);

// Width in pixels that PutText takes.
int TextWidth(absl::string_view text, int height_px);

// Draws DrawableText(text) in a plain sans-serif font of about `height_px`, with its top left
// corner at `at`. The colour is in the canvas's order of channels.
void PutText(cv::Mat& canvas, absl::string_view text, cv::Point at, int height_px,
             const cv::Scalar& color);

// Returns DrawableText(text) if it is at most `width_px` wide, else its beginning and its end
// with "..." between them: names and scores differ most often at the end. "..." if nothing
// more fits.
std::string FitText(absl::string_view text, int width_px, int height_px);

// The labels of the boxes of one image, each on a plate at its box. Plates are placed so that
// they do not cover each other where there is room.
class LabelPlates {
 public:
  // Draws on the pixels of `canvas` in text of about `text_px`.
  LabelPlates(const cv::Mat& canvas, int text_px);

  // Draws `label` at `box`, in pixels of the canvas. It is fitted (FitText) to its box or two
  // fifths of the canvas's longer side, whichever is wider, so that a long name does not cover
  // the image. Colours of the plate and of the text are in the canvas's order of channels.
  void Draw(const cv::Rect& box, absl::string_view label, const cv::Scalar& plate,
            const cv::Scalar& ink);

 private:
  cv::Mat canvas_;  // shares the pixels
  const int text_px_;
  std::vector<cv::Rect> used_;
};

}  // namespace rcnn::data

#endif  // RCNN_DATA_IMAGE_IMAGE_TEXT_H_
